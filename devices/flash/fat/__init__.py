"""FAT inside an image, through mtools."""
