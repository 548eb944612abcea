"""One file a camera library, each run in a process of its own. Self-contained: Python 3.9."""
