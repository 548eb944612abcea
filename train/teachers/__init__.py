"""Whom a network imitates: bundles, alone or together, asked at every step or once a picture."""
