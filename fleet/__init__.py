"""Many kiosks at once: how each is, pausing, wiping and updating them. Nothing of ours runs in the middle."""
