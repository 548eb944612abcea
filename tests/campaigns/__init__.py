"""Long runs against the real thing: faults, soak and boot."""
