"""From face crops to probabilities, on whatever device."""
