"""card.toml: what a person wants of a card."""
