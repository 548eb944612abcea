"""What is kept: a session's store of a run, and the kiosk's history of months. SQLite, without pictures."""

from pathlib import Path


def store_path(folder: Path) -> Path:
    """Where a session's store lies."""
    return folder / "observations.db"


def kiosk_path(folder: Path) -> Path:
    """Where a kiosk's store lies in its folder."""
    return folder / "kiosk.db"


def queue_path(folder: Path, camera: str = "") -> Path:
    """Where what waits for the broker lies: beside the store's folder, which is for the store alone."""
    return _beside(folder, "queue", camera, ".db")


def refused_path(folder: Path, camera: str = "") -> Path:
    """Where it is written down that a camera refused its password."""
    return _beside(folder, "refused", camera, ".json")


def _beside(folder: Path, name: str, camera: str, end: str) -> Path:
    return folder.parent / (f"{name}-{camera}{end}" if camera else f"{name}{end}")
