"""Measuring, side by side and with the spread."""
