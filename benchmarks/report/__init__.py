"""Results as people look at them."""
