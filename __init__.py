"""fer-edge: facial expression recognition on low-cost hardware, from labelled faces to a kiosk.

The names below are the Python API (docs/api.md). Each is loaded when it is first used, so the import costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .benchmarks.measure.run import benchmark
    from .bundle import Bundle, open_bundle
    from .export.run import ExportResult
    from .export.run import export as export
    from .runtime.build import PipelineOptions
    from .runtime.classify import FaceExpression, classify
    from .runtime.run import Analysis, SessionSummary, analyze
    from .runtime.types import Observation

__all__ = [
    "Analysis",
    "Bundle",
    "ExportResult",
    "FaceExpression",
    "Observation",
    "PipelineOptions",
    "SessionSummary",
    "__version__",
    "analyze",
    "benchmark",
    "classify",
    "export",
    "open_bundle",
]
__version__ = "0.1.0"

_ROOMS = {
    "Analysis": "runtime.run",
    "Bundle": "bundle",
    "ExportResult": "export.run",
    "FaceExpression": "runtime.classify",
    "Observation": "runtime.types",
    "PipelineOptions": "runtime.build",
    "SessionSummary": "runtime.run",
    "analyze": "runtime.run",
    "benchmark": "benchmarks.measure.run",
    "classify": "runtime.classify",
    "export": "export.run",
    "open_bundle": "bundle",
}
"""Name -> the module that has it."""


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_ROOMS[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
