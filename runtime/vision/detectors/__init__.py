"""Face detectors: one file each. All give square boxes framed like the pictures the model was trained on."""

from __future__ import annotations

from ....errors import UsageError
from .detector import Detector
from .weights import find_model

__all__ = ["NAMES", "Detector", "open_detector"]
NAMES = ("auto", "yunet", "haar")


def open_detector(name: str = "auto", width: int = 320) -> tuple[Detector, str]:
    """A detector by name, and a line to tell the user or "".

    Args:
        name: yunet, haar, or auto: YuNet when its file is in the cache, else Haar with a notice.
        width: frames are scaled down to this width for detection; 0 keeps them whole.

    Raises:
        UsageError: no such detector; DeviceNotFound: YuNet's file is not here; BundleDamaged: it is not the right one.
    """
    if name not in NAMES:
        raise UsageError(f"there is no detector {name!r}", cause="detectors: " + ", ".join(NAMES))
    model = None if name == "haar" else find_model("yunet", required=name == "yunet")
    if model is not None:
        from .yunet import YuNetDetector

        return YuNetDetector(model, width), ""
    from .haar import HaarDetector

    notice = "YuNet is not in the cache; using the Haar detector, which misses more faces: fer-edge models fetch"
    return HaarDetector(width), "" if name == "haar" else notice
