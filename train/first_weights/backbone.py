"""A backbone's weights from a .safetensors file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...errors import UsageError
from ...words import counted


def load_backbone(body: Any, path: Path, fresh: str = "") -> None:
    """Load backbone weights (no classifier) into a timm model, summing colour channels when it takes one.

    Args:
        fresh: a part of the names of layers that stay as they are where the file has none of them.

    Raises UsageError: the file is missing, unreadable, or its keys or shapes do not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise UsageError(f"--init {path} is not a file", hint="the same command with --init FILE.safetensors")
    try:
        state = load_file(path)
    except (SafetensorError, OSError) as error:
        raise UsageError(f"--init {path} cannot be read as safetensors ({error})") from None
    own = body.state_dict()
    head = set(body.get_classifier().state_dict(prefix=_head_name(body) + "."))
    wanted = {k for k in own if k not in head and not k.endswith("num_batches_tracked")}
    state = {k: v.float() for k, v in state.items() if k not in head}
    if fresh and not any(fresh in k for k in state):
        wanted = {k for k in wanted if fresh not in k}
    missing, extra = sorted(wanted - set(state)), sorted(set(state) - set(own))
    first = next((k for k in own if k in state and own[k].ndim == 4), "")
    if first and state[first].shape[1] == 3 and own[first].shape[1] == 1:
        state[first] = state[first].sum(dim=1, keepdim=True)
    wrong = [k for k in wanted & set(state) if own[k].shape != state[k].shape]
    if missing or extra or wrong:
        named = ", ".join([*missing[:3], *extra[:3], *wrong[:3]])
        raise UsageError(
            f"--init {path.name} does not fit {body.default_cfg.get('architecture', 'the backbone')}: "
            f"{counted(len(missing), 'weight')} missing, {len(extra)} unknown, "
            f"{len(wrong)} of another shape ({named} …)",
            cause="the file belongs to another backbone",
            hint="choose a recipe with that backbone, or another file",
        )
    body.load_state_dict(state, strict=False)


def _head_name(body: Any) -> str:
    return str(body.pretrained_cfg.get("classifier", "fc"))
