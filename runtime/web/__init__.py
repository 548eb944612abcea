"""The kiosk's own server: state, events, metrics and health over HTTP, for this machine or behind a login."""
