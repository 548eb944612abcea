"""The kiosk put together: from its configuration to a daemon with a camera, a store, a broker and a page."""
