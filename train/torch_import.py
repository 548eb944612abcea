"""Loading torch, with one message where it is absent; a file of its own, on which all others here can stand."""

from __future__ import annotations

from typing import Any

from ..bundle.extras import load


def import_torch() -> Any:
    """torch, with the two torchvision operators declared that a CPU build of torch lacks; raises MissingExtra."""
    torch = load("torch", "train")
    if not hasattr(torch.ops.torchvision, "nms"):
        # timm imports torchvision, whose CUDA-built wheel stops on a CPU torch without these schemas; none is called
        library = torch.library.Library("torchvision", "FRAGMENT")
        library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import_torch.library = library  # type: ignore[attr-defined]  # the schemas live as long as this object
    return torch
