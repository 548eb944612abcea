"""Rules: what is to be told when faces in view show something for long. Reads aggregates, keeps nothing on a disk."""
