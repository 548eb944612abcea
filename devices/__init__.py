"""What we know of boards and accelerators."""
