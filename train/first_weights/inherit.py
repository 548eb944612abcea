"""A narrow network that begins with a wide one's weights: which channels it inherits."""

from __future__ import annotations

from typing import Any

from ...errors import UsageError
from ..torch_import import import_torch


def inherit(body: Any, parent: Any) -> None:
    """Fill a narrow ResNet with the weights of a wide one of the same depth, keeping the channels that matter most.

    Args:
        body, parent: timm ResNets of basic blocks (18, 34 …); no stage of `body` may be wider than in `parent`, and its
            first convolution is as wide as its first stage.

    Raises:
        UsageError: the two are not of that kind.
    """
    torch = import_torch()
    own, theirs = dict(body.named_modules()), dict(parent.named_modules())
    blocks = [name for name, m in own.items() if type(m).__name__ == "BasicBlock"]
    if set(own) != set(theirs) or not blocks:
        raise UsageError(
            "a student inherits only from a network with the same layers, made of basic blocks (resnet18, resnet34)",
            cause="--init names a checkpoint of another backbone",
            hint="use the recipe's backbone for both, or leave --init out",
        )
    if any(own[name].se is not None for name in blocks):
        raise UsageError(
            "attention is not narrowed: which of its channels matter is not known",
            hint='attention = "none" in the recipe, or stages as --init has them',
        )
    with torch.no_grad():
        # The first stage adds to what the first convolution gives, so both keep the same channels.
        stream = _chosen_stream(own["layer1.0"], theirs, [b for b in blocks if b.startswith("layer1")], "layer1")
        _copy(own["conv1"], theirs["conv1"], stream, _every(theirs["conv1"], side=1))
        _copy_norm(own["bn1"], theirs["bn1"], stream)
        for stage in ("layer1", "layer2", "layer3", "layer4"):
            inside = [name for name in blocks if name.startswith(stage)]
            incoming, stream = stream, _chosen_stream(own[inside[0]], theirs, inside, stage)
            for name in inside:
                _copy_block(own[name], theirs[name], incoming, stream)
                incoming = stream
        head = parent.get_classifier()
        body.get_classifier().weight.copy_(head.weight[:, stream])
        body.get_classifier().bias.copy_(head.bias)


def _chosen_stream(block: Any, theirs: Any, inside: list[str], stage: str) -> Any:
    """Channels of a stage's output to keep: those that its blocks scale up most and the next layer listens to most."""
    scale = sum(theirs[name].bn2.weight.abs() for name in inside)
    following = f"layer{int(stage[-1]) + 1}.0.conv1"
    listener = theirs[following].weight if following in theirs else theirs["fc"].weight[:, :, None, None]
    return _strongest(scale * listener.square().sum(dim=(0, 2, 3)).sqrt(), block.conv2.out_channels)


def _copy_block(own: Any, theirs: Any, incoming: Any, stream: Any) -> None:
    """One basic block, its inner channels chosen by how strongly they are written and read."""
    strength = theirs.bn1.weight.abs() * theirs.conv2.weight.square().sum(dim=(0, 2, 3)).sqrt()
    inner = _strongest(strength, own.conv1.out_channels)
    _copy(own.conv1, theirs.conv1, inner, incoming)
    _copy_norm(own.bn1, theirs.bn1, inner)
    _copy(own.conv2, theirs.conv2, stream, inner)
    _copy_norm(own.bn2, theirs.bn2, stream)
    if own.downsample is not None:
        _copy(own.downsample[0], theirs.downsample[0], stream, incoming)
        _copy_norm(own.downsample[1], theirs.downsample[1], stream)


def _strongest(strength: Any, count: int) -> Any:
    if count > len(strength):
        raise UsageError(f"a stage of {count} channels cannot inherit from one of {len(strength)}")
    return strength.topk(count).indices.sort().values


def _every(layer: Any, side: int = 0) -> Any:
    return import_torch().arange(layer.weight.shape[side])


def _copy(own: Any, theirs: Any, rows: Any, columns: Any) -> None:
    own.weight.copy_(theirs.weight[rows][:, columns])


def _copy_norm(own: Any, theirs: Any, rows: Any) -> None:
    for part in ("weight", "bias", "running_mean", "running_var"):
        getattr(own, part).copy_(getattr(theirs, part)[rows])
