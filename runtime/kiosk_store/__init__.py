"""The kiosk's memory: one SQLite database for months of observations, without boxes and without pictures."""

from pathlib import Path


def kiosk_path(folder: Path) -> Path:
    """Where a kiosk's store lies in its folder."""
    return folder / "kiosk.db"
