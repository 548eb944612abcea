"""FAT inside an image."""
