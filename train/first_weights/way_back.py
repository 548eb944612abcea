"""A part of the way back: a network that went on from a finished one, averaged with what it began as."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...export.untrained import fit_norms
from ..torch_import import import_torch


def go_back(network: Any, first: Mapping[str, Any], share: float, crops: NDArray[np.uint8]) -> None:
    """Move every weight this share of the way to its first value (WiSE-FT, Wortsman et al. 2022).

    What was learnt before and was unlearnt on the way comes back, and most of what was learnt stays, because the two
    lie in one valley. Batch norms are fitted anew: theirs are of neither.

    Args:
        first: its state before the first step; share: 0..1.
        crops: uint8 (N, S, S, 3) RGB of training faces.
    """
    torch = import_torch()
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                value.lerp_(first[name].to(value), share)
    fit_norms(network, crops)
