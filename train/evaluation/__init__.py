"""How good a model is, for whom, and how sure of that we are."""
