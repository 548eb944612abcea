"""What is true of a whole session, written into its store."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..pipeline import Pipeline


def session_facts(source: str, fps: float, pipeline: Pipeline) -> dict[str, Any]:
    """JSON values by name.

    Args:
        source: its name; fps: its frames a second, 0 when it has no rate.
    """
    from ... import __version__
    from ...devices.cpu import model_name

    device = pipeline.classifier.describe()
    return {
        "fer_edge": __version__,
        "source": source,
        "fps": fps,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "labels": list(pipeline.classifier.labels),
        "bundle": device["bundle"],
        "artifact": f"{device['artifact']} ({device['precision']})",
        "artifact_sha256": device["sha256"],
        "device": f"{model_name()}; {device['backend']} {device['version']} on {device['device']}",
        "threads": device.get("threads", 1),
        "degraded": device.get("degraded", False),
        "detector": pipeline.detector.name,
        "smoother": pipeline.smoother.name,
    }
