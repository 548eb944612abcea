"""fer-edge: facial expression recognition on low-cost hardware, from labelled faces to a kiosk."""

__version__ = "0.1.0"
