"""How the kiosk is and what may be told of a moment. Aggregates only."""
