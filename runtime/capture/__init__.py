"""Frames of a camera, stream or file that may come and go: the newest one, and what is wrong with its source."""
