"""What leaves the kiosk on its own: snapshots to an MQTT broker, and figures for Prometheus. Aggregates only."""
