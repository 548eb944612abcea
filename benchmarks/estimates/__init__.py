"""What a device that is not here would take: computed from published figures."""
