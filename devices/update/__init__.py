"""New software or a new model for a kiosk that runs: tried, and taken back when it does not become healthy."""
