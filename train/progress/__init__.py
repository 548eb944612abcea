"""How far a training is: what it leaves on disk, how long the rest takes, and how it stops without a loss."""
