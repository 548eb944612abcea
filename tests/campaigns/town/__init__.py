"""A simulated town: many kiosks that are the real daemon without camera and model, and the real centre."""
