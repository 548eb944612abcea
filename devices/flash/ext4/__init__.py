"""ext4 inside an image, through debugfs."""
