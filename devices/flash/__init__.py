"""From an operating system's image to a card that boots into the kiosk."""
