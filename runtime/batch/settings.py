"""With what a batch's files are analysed: the same for all of them, on every machine, however often it is taken up."""

from __future__ import annotations

import json
import platform
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...files import write_text
from ..build import BuiltPipeline, PipelineOptions

SETTINGS = "batch.json"
"""In the batch's folder."""


def settings_of(built: BuiltPipeline, options: PipelineOptions, segment_s: float | None = None) -> dict[str, Any]:
    """With what files are analysed, as JSON values: whatever else it were, the results would be others.

    Long films in segments give the same, but those that lie there finished would not fit.
    """
    from ... import __version__

    device = built.classifier.describe()
    return {
        "fer_edge": __version__,
        "labels": list(built.classifier.labels),
        "artifact": device["artifact"],
        "artifact_sha256": device["sha256"],
        "precision": device["precision"],
        "backend": f"{device['backend']} {device['version']}",
        "device": options.device,
        "threads": options.threads,
        "detector": built.pipeline.detector.name,
        "detect_width": options.detect_width,
        "smoother": options.smoother,
        "quality_gate": options.quality_gate,
        **({"segment_s": segment_s} if segment_s else {}),
    }


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """The first setting in which two batches differ, in words; empty where there is none."""
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    return f"{names[0]} {one.get(names[0])}, not {other.get(names[0])}" if names else ""


def check_same(settings: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Raise UsageError where a worker's own settings are not the batch's."""
    if words := differing(own, settings):
        raise UsageError(
            f"a worker on {platform.node()} would analyse with {words}",
            cause="another version of fer-edge, of its libraries, or another model is installed there",
            hint="fer-edge doctor",
        )


def check_shared(out: Path, settings: Mapping[str, Any]) -> None:
    """Raise UsageError where the batch's folder is another one here than where the batch was begun."""
    if _read(out / SETTINGS) != settings:
        raise UsageError(
            f"{out} on {platform.node()} is not the batch's folder",
            cause="a worker runs on another machine, which sees another disk under this path",
            hint=f"ls -l {shlex.quote(str(out))}",
        )


def hold(out: Path, settings: Mapping[str, Any]) -> None:
    """Keep the settings of a batch that begins; raises UsageError where it was begun with others, OutputError."""
    known = _read(out / SETTINGS)
    if known is None:
        write_text(out / SETTINGS, json.dumps(settings, indent=1) + "\n")
    elif words := differing(known, settings):
        raise UsageError(
            f"{out} was begun with {words}",
            cause="results of different settings are never mixed",
            hint="the same command with another --out",
        )


def _read(path: Path) -> dict[str, Any] | None:
    """The settings in a file; None where there is none. Raises UsageError."""
    try:
        told: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}", cause="another program changed it") from None
    return told
