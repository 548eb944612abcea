"""Labelled faces: read, cleaned, drawn, changed."""
