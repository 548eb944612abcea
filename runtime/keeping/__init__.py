"""Where a kiosk keeps what it saw, and what removes it."""
