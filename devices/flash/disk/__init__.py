"""The machine's disks, and writing to one of them."""
