"""Publishes the kiosk's snapshots to an MQTT broker and takes commands from it. Aggregates only."""
