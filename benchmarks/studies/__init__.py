"""Side-by-side measurements, each runnable alone."""
