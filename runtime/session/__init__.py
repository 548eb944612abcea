"""What a run leaves behind: a folder with the store and, on request, a video and a report."""

from pathlib import Path


def store_path(folder: Path) -> Path:
    """Where a session's store lies."""
    return folder / "observations.db"
