"""The study repeated: its runs at a size that one can afford, and a page with its figures and ours."""
