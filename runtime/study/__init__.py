"""A study: a folder that sessions join, with its subjects, their consent, its conditions and markers. No server."""
