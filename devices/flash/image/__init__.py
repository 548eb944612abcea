"""A card image as a file: unpacked, looked into, grown."""
