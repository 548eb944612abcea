"""The one tree of errors.

    FerEdgeError                 exit  what went wrong
    ├── UsageError (ValueError)     2  a wrong option, name or value
    ├── InputError (ValueError)     2  a file or stream that cannot serve as input
    │   ├── SourceError             2  a video, picture or camera stream
    │   ├── DatasetError            2  a folder or table of labelled faces
    │   └── BundleError             2  a model bundle
    │       ├── BundleSchemaError      a manifest this version does not know
    │       ├── BundleDamaged          a file missing, cut short or altered
    │       ├── LabelMismatch          labels that do not match what the graph gives
    │       └── UnsupportedGraph       a graph that a converter or device cannot take
    ├── OutputError (OSError)       2  a place that cannot be written, or is full
    ├── BatchStopped                of the fault  a batch in which no further file would fare better
    ├── TrainingDiverged (ArithmeticError) 1  a loss that is not a finite number
    ├── GateFailed (ArithmeticError) 1  an export that does not do what the model it came from does
    ├── ConversionFailed (RuntimeError) 1  a converter or compiler that gave up
    ├── DeviceNotFound (LookupError) 3 a device, or the software it needs, is absent
    │   └── MissingExtra            3  an optional part of fer-edge is not installed
    └── DeviceFailed (RuntimeError) 4  a device or backend failed while running
        └── NotFinite               4  a device answered what is no finite number

Each error says what is wrong, the likely cause, and one command to try.
"""

from __future__ import annotations

from typing import Any


class FerEdgeError(Exception):
    """Base of every error that fer-edge raises on purpose.

    Args:
        message: what is wrong, in one sentence.
        cause: the likely cause, in one sentence.
        hint: one command or action to try.
    """

    exit_code = 2

    def __init__(self, message: str, *, cause: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.cause = cause
        self.hint = hint

    def __str__(self) -> str:
        lines = [self.message]
        if self.cause:
            lines.append(f"  likely cause: {self.cause}")
        if self.hint:
            lines.append(f"  try: {self.hint}")
        return "\n".join(lines)

    def as_mapping(self) -> dict[str, str | int]:
        """As the object that `--json` prints."""
        return {"error": self.message, "cause": self.cause, "hint": self.hint, "exit": self.exit_code}


class UsageError(FerEdgeError, ValueError):
    """A wrong option, name or value on the command line or in a call."""


class InputError(FerEdgeError, ValueError):
    """A file or stream that cannot serve as input."""


class SourceError(InputError):
    """A video, picture or camera that cannot be opened or ends at once."""


class DatasetError(InputError):
    """A folder or table of labelled faces that cannot be used."""


class BundleError(InputError):
    """A bundle that cannot be used."""


class BundleSchemaError(BundleError):
    """A manifest that this version of fer-edge does not understand."""


class BundleDamaged(BundleError):
    """A bundle file that is missing, cut short or altered."""


class LabelMismatch(BundleError):
    """Labels whose number differs from what the graph gives."""


class UnsupportedGraph(BundleError):
    """A graph that a converter or device cannot take: its opset, an operator, a shape."""


class OutputError(FerEdgeError, OSError):
    """A place that cannot be written, or is full."""


class BatchStopped(FerEdgeError):
    """A batch that ended before every file had its turn: the disk is full, the device is gone, no worker can be had.

    Args:
        message, cause, hint: as FerEdgeError.
        exit_code: of the fault that ended it.
    """

    def __init__(self, message: str, *, cause: str = "", hint: str = "", exit_code: int = 1) -> None:
        super().__init__(message, cause=cause, hint=hint)
        self.exit_code = exit_code


class TrainingDiverged(FerEdgeError, ArithmeticError):
    """The loss of a training run became infinite or not a number."""

    exit_code = 1


class GateFailed(FerEdgeError, ArithmeticError):
    """An exported artifact that does not agree with the model it was made from."""

    exit_code = 1


class ConversionFailed(FerEdgeError, RuntimeError):
    """A converter or a vendor's compiler that gave up."""

    exit_code = 1


class DeviceNotFound(FerEdgeError, LookupError):
    """A device, or the software that drives it, is absent."""

    exit_code = 3


class MissingExtra(DeviceNotFound, ImportError):
    """An optional part of fer-edge is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        from .installation import pip_install

        super().__init__(
            f"the Python package {package!r} is not installed",
            cause=f"it belongs to the optional part {extra!r}",
            hint=pip_install(extra),
        )


class DeviceFailed(FerEdgeError, RuntimeError):
    """A device or its backend failed while running."""

    exit_code = 4


class NotFinite(DeviceFailed):
    """A device's answer with NaN or infinite numbers in it.

    Args:
        answer: logits float32 (N, classes), as they came.
        bad: how many of the N have such a number.
        cause, hint: of a device's backend, unless told otherwise.
    """

    def __init__(
        self,
        answer: Any,
        bad: int,
        cause: str = "the graph divides by what can be 0 or overflows on this device, such as in float16",
        hint: str = "fer-edge bundle check BUNDLE",
    ) -> None:
        what = f"numbers that are NaN or infinite in {bad} of {len(answer)} of the model's answers"
        super().__init__(what, cause=cause, hint=hint)
        self.answer = answer
