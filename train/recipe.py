"""Recipes: every choice of a training run in one TOML file, read from top to bottom."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..toml_schema import Fault, NotToml, build, key, read_toml

RECIPES = Path(__file__).parent / "recipes"


@dataclass(frozen=True)
class Recipe:
    """One training run, whole. Units: pixels, epochs, probabilities 0..1 unless said otherwise."""

    name: str
    """Also the name of the file."""
    backbone: str = "resnet18"
    """A timm model name."""
    stages: tuple[int, ...] = ()
    """Channels of a ResNet's four stages, where they are not the usual ones; the first convolution has the first's."""
    attention: str = key("none", choices=("none", "se", "cbam"))
    """What weighs a ResNet's channels (se), and places too (cbam), at the end of every block; timm's layers."""
    color: str = key("rgb", choices=("rgb", "luma"))
    """rgb, or luma: the graph turns colour into grey itself, for models trained on grey pictures."""
    luma_layer: bool = False
    """In the exported graph R, G and B are mixed by a layer of its own, not by the first convolution, which then has a
    third of the work: worth it where that one is a large part of a small network."""
    size: int = 256
    """Side of the face crop the graph takes."""
    warm_size: int = 0
    """Side during the first `warm_epochs`: small pictures first cost a fraction of the time."""
    warm_epochs: int = 0
    dropout: float = 0.0
    batch: int = 32
    epochs: int = 30
    optimizer: str = key("adam", choices=("adam", "adamw"))
    """adam or adamw."""
    learning_rate: float = 5e-5
    """Highest rate; the classifier head starts fresh and gets `head_rate` times as much."""
    head_rate: float = 1.0
    min_rate: float = 1e-6
    """Where the cosine, stepped per batch, ends."""
    warmup: float = 0.0
    """Share of all steps with a rising rate."""
    weight_decay: float = 5e-4
    augment: str = key("none", choices=("none", "v1", "v2", "wild", "harsh"))
    """none, v1, v2 (both as published), wild or harsh; see augment.py."""
    color_jitter: float = 0.0
    """Brightness, contrast and saturation change by up to this share, the hue by a tenth of it; with any `augment`."""
    labels: str = key("hard", choices=("hard", "votes"))
    """hard: the label column; votes: the share of taggers behind each label."""
    second_label: str = ""
    """Another label column, mixed into the target …"""
    second_share: float = 0.0
    """… with this weight."""
    label_smoothing: float = 0.0
    class_weight: float = 0.0
    """In the loss, a label of share p counts p to minus this; 0 all alike, 1 fully balanced."""
    focal: float = 0.0
    """Exponent of the focal loss; 0 is cross-entropy."""
    mixup: float = 0.0
    """Alpha of mixup's Beta distribution; 0 does not mix."""
    coarse_sizes: tuple[int, ...] = ()
    """Sides in pixels to which a picture is scaled down and back up …"""
    coarse_share: float = 0.3
    """… with this probability."""
    distill: float = 0.0
    """Share of the loss that is imitation of a teacher (--teacher); the rest is the loss on the labels."""
    distill_temperature: float = 2.0
    """At which both sides' logits are compared; higher shows more of what the teacher finds second likeliest."""
    distill_answers: str = key("each_step", choices=("each_step", "once"))
    """each_step: teachers see the altered picture; once: the undistorted one and its mirror image, and `distill` mixes
    their probabilities at `distill_temperature` with the labels into one target."""
    hold_out: float = 0.0
    """Share of each set without labels that training does not see where the set has no split for validation, by the
    seed: agreement with the teachers is measured on it after every epoch. 0 holds nothing out and measures none."""
    freeze: tuple[str, ...] = ()
    """Parts of the backbone that keep their first weights, by the beginning of their names: conv1, layer1 …"""
    balance: float = 0.0
    """Rare labels are drawn more often: 0 as they come, 1 equally often, .5 in between (square root)."""
    groups: tuple[str, ...] = ()
    """Columns of the manifests that say to which groups a face belongs: gender, age …"""
    group_balance: float = 0.0
    """Rare groups of a set are drawn more often, as with `balance`."""
    source_balance: float = 0.0
    """Rare sources are drawn more often, likewise; shares that --data states stay as they are."""
    first_share: float = 0.0
    """After training, move every weight this share of the way back to its first value, and fit the batch norms anew;
    for a network that goes on from a finished one. See first_weights/way_back.py."""
    prior_shift: float = 0.0
    """After training, subtract this times the log of the labels' training share from the logits (Menon et al. 2021)."""
    neutral_recall: float = 0.0
    """After training, raise the logit of `neutral` until this share of validation's neutral faces is found."""
    calibrate: bool = False
    """After training, fit one temperature on the validation split and fold it into the classifier."""
    ema: float = 0.0
    """Decay of the running average of the weights, per step; 0 keeps the last weights."""
    patience: int = 0
    """Stop after this many epochs without a better validation figure; 0 never stops early."""
    select: str = key("accuracy", choices=("accuracy", "mean_recall", "worst_group"))
    """Which validation figure picks the best epoch; worst_group: the lowest accuracy of a source or group."""
    bfloat16: bool = False
    """Mixed precision, where the processor has it in hardware."""
    seed: int = 42

    def size_at(self, epoch: int) -> int:
        """Side of the training crops in an epoch, counted from 0."""
        return self.warm_size if epoch < self.warm_epochs else self.size


def recipe_names() -> list[str]:
    """Names of the recipes that come with fer-edge."""
    return sorted(p.stem for p in RECIPES.glob("*.toml"))


def load_recipe(name: str) -> Recipe:
    """Read a recipe by its name, or a recipe file by its path.

    Raises UsageError: no such recipe, or a key or value in it that is not known.
    """
    path = Path(name) if name.endswith(".toml") else RECIPES / f"{name}.toml"
    if not path.is_file():
        near = difflib.get_close_matches(name, recipe_names(), n=1)
        raise UsageError(
            f"there is no recipe {name!r}",
            cause=f"did you mean {near[0]!r}?" if near else "recipes here: " + ", ".join(recipe_names()),
            hint=f"the same command with --recipe {near[0] if near else recipe_names()[0]}",
        )
    try:
        text, data = read_toml(path)
    except NotToml as error:
        raise UsageError(f"{path} is not valid TOML: {error}", hint=f"mend {path}") from None
    return parse_recipe(path.stem, data, str(path), text)


def parse_recipe(name: str, data: dict[str, Any], where: str, text: str = "") -> Recipe:
    """Check every key and value of a recipe's table; raises UsageError naming the first that is wrong.

    Args:
        where: the file, for errors; text: what it says, for their lines.
    """

    def wrong(fault: Fault) -> UsageError:
        line = f", line {fault.line}" if fault.line else ""
        return UsageError(f"{where}{line}: {fault.name} {fault.what}", hint=f"mend {where}")

    recipe = build(Recipe, {"name": name, **data}, text, whole="a recipe", wrong=wrong)
    if recipe.size < 32 or recipe.batch < 1 or recipe.epochs < 1 or not recipe.learning_rate > 0:
        raise UsageError(f"{where}: size must be at least 32, batch and epochs at least 1, learning_rate positive")
    if recipe.distill and recipe.distill_answers == "each_step" and (recipe.mixup or recipe.warm_epochs):
        raise UsageError(
            f"{where}: distill goes with neither mixup nor warm_epochs: a teacher sees whole faces, one size",
            hint='distill_answers = "once" in the recipe goes with both',
        )
    if recipe.hold_out and not (recipe.distill and recipe.distill_answers == "once" and 0 < recipe.hold_out <= 0.5):
        raise UsageError(
            f"{where}: hold_out is a share of at most 0.5, and wants teachers whose answers are kept",
            hint='distill = 0.5 and distill_answers = "once" in the recipe, with hold_out = 0.05, or without it',
        )
    if not 0 <= recipe.first_share < 1:
        raise UsageError(f"{where}: first_share is 0 or more, and less than 1", hint="first_share = 0.25 in the recipe")
    if not 0 <= recipe.neutral_recall <= 1:
        raise UsageError(f"{where}: neutral_recall is a share", hint="neutral_recall = 0.85 in the recipe")
    if recipe.group_balance and not recipe.groups:
        raise UsageError(f"{where}: group_balance wants groups", hint='groups = ["gender", "age"] in the recipe')
    return recipe
