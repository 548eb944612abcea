"""Health, aggregates and the snapshots that a kiosk publishes: never a single face."""
