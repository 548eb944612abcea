"""The front door: argument parsing and help. A stage is imported only when its command runs."""
