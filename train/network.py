"""The network: a timm backbone that takes what a bundle promises, uint8 NHWC RGB, and gives logits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..bundle import LABELS
from ..bundle.extras import load
from ..errors import UsageError
from .first_weights.backbone import load_backbone
from .first_weights.inherit import inherit
from .recipe import Recipe
from .torch_import import import_torch

LUMA = (0.299, 0.587, 0.114)
"""Weights of R, G and B in grey, ITU-R BT.601, the ones OpenCV and Pillow use."""
GREY_MEAN, GREY_STD = 0.449, 0.226
"""ImageNet's channel means .485 .456 .406 and deviations .229 .224 .225, averaged: for one grey channel."""
ATTENTION = ".se."
"""In timm's names, the layers of a block's attention, of whatever kind."""
RGB_MEAN, RGB_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def build_network(recipe: Recipe, init: str | None = None, exportable: bool = False) -> Any:
    """Make the network of a recipe.

    Args:
        recipe: backbone, colour and dropout.
        init: a .safetensors file with backbone weights, a .pt checkpoint of a run (a wider network's is narrowed),
            `timm` for timm's pre-trained ones, None for random.
        exportable: have timm leave out layers that trace to more than plain operators.

    Returns:
        a torch module: uint8 (N, S, S, 3) RGB -> float32 logits (N, classes).

    Raises:
        UsageError: unknown backbone, or weights that do not fit it; MissingExtra: torch or timm is absent.
    """
    import_torch()
    timm = load("timm", "train")
    channels = 1 if recipe.color == "luma" else 3
    try:
        body = timm.create_model(
            recipe.backbone,
            pretrained=init == "timm",
            num_classes=len(LABELS),
            in_chans=channels,
            drop_rate=recipe.dropout,
            exportable=exportable,
            **({"channels": recipe.stages} if recipe.stages else {}),
            **_attention(recipe),
            **_side(timm, recipe),
        )
    except TypeError as error:
        if recipe.attention != "none":
            raise _no_attention(recipe) from None
        raise UsageError(f"{recipe.backbone} takes no stages: only ResNets do", cause=str(error)) from None
    except RuntimeError as error:
        raise UsageError(f"timm has no backbone {recipe.backbone!r}", cause=str(error)) from None
    except OSError as error:
        raise UsageError(
            f"timm's weights for {recipe.backbone} cannot be fetched",
            cause=f"no network, or the hub refused ({type(error).__name__})",
            hint="the same command with --init FILE.safetensors",
        ) from error
    if recipe.attention != "none":
        _check_attention(body, recipe)
    if recipe.stages and hasattr(body.layer1[0], "conv2") and not hasattr(body.layer1[0], "conv3"):
        _narrow_stem(body, recipe.stages[0])
    if init and init.endswith(".pt"):
        _inherit(body, recipe, Path(init))
    elif init not in (None, "timm"):
        load_backbone(body, Path(str(init)), fresh="" if recipe.attention == "none" else ATTENTION)
    return _wrap(body, recipe.color)


def _attention(recipe: Recipe) -> dict[str, Any]:
    """What timm's ResNets take it by; weights of a network without it leave its layers random."""
    if recipe.attention == "none":
        return {}
    return {"block_args": {"attn_layer": recipe.attention}, "pretrained_strict": False}


def _check_attention(body: Any, recipe: Recipe) -> None:
    """Raises UsageError where the blocks are not plain: timm then drops settings of theirs without a word."""
    blocks = [block for stage in ("layer1", "layer2", "layer3", "layer4") for block in getattr(body, stage, ())]
    plain = {type(block).__name__ for block in blocks} <= {"BasicBlock", "Bottleneck"}
    if not (blocks and plain and all(block.se is not None for block in blocks)):
        raise _no_attention(recipe)


def _no_attention(recipe: Recipe) -> UsageError:
    return UsageError(
        f"{recipe.backbone} takes no attention: only ResNets of plain blocks do",
        cause="its blocks are of a kind of their own",
        hint='backbone = "resnet18" in the recipe, or attention = "none"',
    )


def _side(timm: Any, recipe: Recipe) -> dict[str, int]:
    """For networks that are built for one size of picture, such as transformers with a place for each patch.

    Raises UsageError: the recipe would show such a network two sizes.
    """
    known = timm.get_pretrained_cfg(recipe.backbone)
    if known is None or not known.fixed_input_size:
        return {}
    if recipe.warm_epochs and recipe.warm_size != recipe.size:
        raise UsageError(
            f"{recipe.backbone} takes pictures of one size, and the recipe warms up at {recipe.warm_size} pixels",
            hint="warm_epochs = 0 in the recipe",
        )
    return {"img_size": recipe.size}


def _narrow_stem(body: Any, width: int) -> None:
    """Make a ResNet's first convolution as wide as its first stage, which then needs no shortcut of its own.

    timm keeps 64 channels there whatever the stages have: more work than the first stage of 32.
    """
    nn = import_torch().nn
    if body.conv1.out_channels == width:
        return
    body.conv1 = nn.Conv2d(body.conv1.in_channels, width, 7, stride=2, padding=3, bias=False)
    body.bn1 = nn.BatchNorm2d(width)
    first = body.layer1[0]
    first.conv1 = nn.Conv2d(width, first.conv1.out_channels, 3, padding=1, bias=False)
    first.downsample = None


def _inherit(body: Any, recipe: Recipe, path: Path) -> None:
    """Take the weights of a checkpoint, classifier included; raises UsageError where colours or layers differ."""
    parent, theirs = open_checkpoint(path)
    if theirs.color != recipe.color:
        raise UsageError(f"--init {path.name} takes {theirs.color} pictures, the recipe {recipe.color}")
    if recipe.attention != theirs.attention:
        raise UsageError(
            f"--init {path.name} has attention {theirs.attention!r}, the recipe {recipe.attention!r}",
            cause="a checkpoint is taken up whole, classifier and attention too",
            hint=f'attention = "{theirs.attention}" in the recipe, or another --init',
        )
    if recipe.attention != "none" and (recipe.backbone, recipe.stages) == (theirs.backbone, theirs.stages):
        body.load_state_dict(parent.body.state_dict())
    else:
        inherit(body, parent.body)


def open_checkpoint(path: Path) -> tuple[Any, Recipe]:
    """The network of a best.pt or epoch file, in evaluation mode, and its recipe; raises UsageError."""
    torch = import_torch()
    if not path.is_file():
        raise UsageError(f"{path} is not a file", hint=f"ls {path.parent}")
    try:
        data = torch.load(path, map_location="cpu", weights_only=True)
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data["recipe"].items()}
        recipe = Recipe(**values)
        network = build_network(recipe)
        network.load_state_dict(data["network"])
    except Exception as error:  # torch raises half a dozen kinds for a damaged or foreign file
        raise UsageError(
            f"{path} is not a checkpoint of fer-edge train ({type(error).__name__})",
            cause="the file is damaged, or is last.pt, which holds a run's state and not its chosen weights",
            hint=f"the same command with --checkpoint {path.parent / 'best.pt'}",
        ) from error
    return network.eval(), recipe


def _wrap(body: Any, color: str) -> Any:
    """Put colour handling and normalisation in front of a body, so that callers only ever pass pictures."""
    torch = import_torch()

    class FaceNetwork(torch.nn.Module):  # type: ignore[misc, name-defined]
        """uint8 NHWC RGB -> logits; `body` is the timm model, `color` says what its first layer takes."""

        def __init__(self) -> None:
            super().__init__()
            self.body, self.color = body, color
            mean, std = ([GREY_MEAN], [GREY_STD]) if color == "luma" else (RGB_MEAN, RGB_STD)
            self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1) * 255, persistent=False)
            self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1) * 255, persistent=False)
            self.register_buffer("luma", torch.tensor(LUMA).view(1, 3, 1, 1), persistent=False)

        def forward(self, pictures: Any) -> Any:
            x = pictures.permute(0, 3, 1, 2).float()
            if self.color == "luma":
                x = (x * self.luma).sum(dim=1, keepdim=True)
            return self.body((x - self.mean) / self.std)

    return FaceNetwork()


def fold_luma(network: Any, layer: bool = False) -> Any:
    """Turn a one-channel network into an equal three-channel one, for export.

    Grey is a linear mix of R, G and B and both sides are normalised alike, so the mix moves exactly into the weights of
    the first convolution; the graph then starts like any other ResNet.

    Args:
        layer: leave the mix as a convolution of one pixel in front instead; see Recipe.luma_layer.
    """
    if network.color != "luma":
        return network
    torch = import_torch()
    import copy

    folded, mix = copy.deepcopy(network.body), torch.tensor(LUMA).view(1, 3, 1, 1)
    if layer:
        grey = torch.nn.Conv2d(3, 1, 1, bias=False)
        grey.weight = torch.nn.Parameter(mix)
        folded = torch.nn.Sequential(grey, folded)
    else:
        first = next(m for m in folded.modules() if isinstance(m, torch.nn.Conv2d))
        with torch.no_grad():  # in place: the first layer may be of a class of its own, such as timm's Conv2dSame
            first.weight = torch.nn.Parameter(first.weight * mix)
        first.in_channels = 3
    result = _wrap(folded, "rgb")
    result.mean.fill_(GREY_MEAN * 255)
    result.std.fill_(GREY_STD * 255)
    return result.train(network.training)


def adjust_classifier(network: Any, temperature: float, shift: np.ndarray[Any, Any]) -> None:
    """Fold a temperature and a shift of the logits (classes,) into the classifier: (z - shift) / temperature."""
    torch = import_torch()
    head = network.body.get_classifier()
    with torch.no_grad():
        head.bias.sub_(torch.as_tensor(shift, dtype=head.bias.dtype)).div_(temperature)
        head.weight.div_(temperature)
