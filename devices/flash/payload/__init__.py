"""What a card installs: our wheel, its dependencies and what else the board needs, without a network."""
