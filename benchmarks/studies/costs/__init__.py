"""What the stages of a frame cost: in instructions, and in time against faces and pixels."""
