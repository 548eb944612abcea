"""A long film in parts, which several workers look at at once, and of which the result is that of the whole film."""
