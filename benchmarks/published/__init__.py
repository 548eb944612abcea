"""What others published, and what ours says about it."""
