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
        name: yunet, haar, or auto: YuNet, whose file is fetched once where it is not in the cache, else Haar; both with
            a notice.
        width: frames are scaled down to this width for detection; 0 keeps them whole.

    Raises:
        UsageError: no such detector; DeviceNotFound: YuNet's file is not here; BundleDamaged: it is not the right one.
    """
    if name not in NAMES:
        raise UsageError(f"there is no detector {name!r}", cause="detectors: " + ", ".join(NAMES))
    from .haar import HaarDetector

    if name == "haar":
        return HaarDetector(width), ""
    model, notice = find_model("yunet", required=False), ""
    if model is None:
        from .fetching import bring_model

        why = bring_model("yunet")
        model = find_model("yunet", required=name == "yunet")
        notice = (
            f"YuNet, which finds faces, was fetched once: {model}"
            if model
            else f"YuNet is not in the cache ({why}); the Haar detector serves, which misses most faces: "
            "fer-edge models fetch"
        )
    if model is None:
        return HaarDetector(width), notice
    from .yunet import YuNetDetector

    return YuNetDetector(model, width), notice
