"""What is kept: a session's store of a run, and the kiosk's history of months. SQLite, without pictures."""

from pathlib import Path


def store_path(folder: Path) -> Path:
    """Where a session's store lies."""
    return folder / "observations.db"


def kiosk_path(folder: Path) -> Path:
    """Where a kiosk's store lies in its folder."""
    return folder / "kiosk.db"


def queue_path(folder: Path) -> Path:
    """Where what waits for the broker lies: beside the store's folder, which is for the store alone."""
    return folder.parent / "queue.db"
