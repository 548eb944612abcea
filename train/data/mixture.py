"""Several sets of labelled faces read as one: which shares they have, how each is framed and labelled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...bundle.dataset import SPLITS, Dataset, Sample, Watch, counts, read_dataset, stratified_split, unwatched
from ...bundle.tables import read_table
from ...errors import DatasetError, UsageError
from ...words import counted
from ..options import NO_LABELS, TrainingSet
from ..recipe import Recipe


def read_sets(
    sets: Sequence[TrainingSet], recipe: Recipe, watch: Watch = unwatched, label_map: str | None = None
) -> Dataset:
    """Read every set and put them together, in their order.

    Args:
        recipe: its second label, groups and seed are used; a manifest may lack a column that another one has.
        label_map: for the sets that name none.

    Raises:
        UsageError: two sets of one name, shares that are no shares; DatasetError: as `read_dataset` does.
    """
    _check(sets)
    second, columns = recipe.second_label, recipe.groups
    if len(sets) > 1 or columns:
        known = {column for one in sets for column in _columns(one, (second, *columns))}
        if lacking := [column for column in (second, *columns) if column and column not in known]:
            raise DatasetError(
                f"no set of --data has a column {', '.join(lacking)}", hint="take it out of the recipe, or add it"
            )
    parts = []
    for one in sets:
        own = second if len(sets) == 1 or second in _columns(one, (second,)) else ""
        chosen = None if one.labels == NO_LABELS else one.labels or label_map
        part = read_dataset(one.folder, own, recipe.seed, watch, label_map=chosen, groups=columns, margin=one.margin)
        part = replace(part, samples=tuple(_of_set(s, one, len(sets) > 1) for s in part.samples))
        parts.append(_held_out(part, recipe) if recipe.hold_out else part)
    return Dataset(
        tuple(s for part in parts for s in part.samples),
        tuple(s for part in parts for s in part.unreadable),
        second,
        notices=tuple(
            f"{one.called}: {line}" if len(sets) > 1 else line
            for one, part in zip(sets, parts, strict=True)
            for line in part.notices
        ),
        group_columns=columns,
        shares=_shares(sets, parts),
    )


def describe_sets(dataset: Dataset) -> list[str]:
    """One line a set of a mixture: its pictures, how many have a label, and its share of what is drawn."""
    lines = []
    shares = dict(dataset.shares)
    for name in dict.fromkeys(s.collection for s in dataset.samples if s.collection):
        own = [s for s in dataset.samples if s.collection == name]
        sizes = ", ".join(f"{split} {n}" for split in SPLITS if (n := sum(s.split == split for s in own)))
        share = f"; {shares[name]:.0%} of what training draws" if name in shares else ""
        made = f", {n} synthetic" if (n := sum(s.synthetic for s in own)) else ""
        lines.append(f"{name}: {sizes}, {sum(s.label is not None for s in own)} labelled{made}{share}")
    return lines


def weak_labels(dataset: Dataset) -> list[str]:
    """One line for each set of a mixture whose training labels are only some of LABELS."""
    lines = []
    for name in dict.fromkeys(s.collection for s in dataset.samples if s.collection):
        tally = counts([s for s in dataset.split("train") if s.collection == name])
        known = [label for label, count in tally.items() if count]
        if 0 < len(known) < len(tally):
            lines.append(
                f"{name} has only {len(known)} of the {len(tally)} labels ({', '.join(known)}): whatever else its "
                f"faces show is taught as one of these. Where that may be, --data {name},labels=none leaves its labels "
                "out, and teachers alone say what its faces show"
            )
    return lines


def without_labels(samples: Sequence[Sample]) -> list[Sample]:
    """The samples that say nothing of what they show, in no column and by no vote."""
    return [s for s in samples if s.label is None and s.second is None and not s.votes]


def first_set(dataset: Dataset) -> Dataset:
    """A mixture's first set alone, on which its bundle is measured: figures of two sets at once compare to nothing."""
    first = dataset.samples[0].collection
    kept, bad = ([s for s in part if s.collection == first] for part in (dataset.samples, dataset.unreadable))
    return replace(dataset, samples=tuple(kept), unreadable=tuple(bad))


def _of_set(sample: Sample, one: TrainingSet, mixed: bool) -> Sample:
    if one.labels == NO_LABELS:
        sample = replace(sample, label=None, second=None, votes=())
    return replace(sample, source=sample.source or one.called, collection=one.called if mixed else "")


def _held_out(part: Dataset, recipe: Recipe) -> Dataset:
    """A set without labels with its own validation pictures, where it has none; others as they are."""
    if part.split("valid") or len(without_labels(part.samples)) < len(part.samples):
        return part
    samples = stratified_split(part.samples, recipe.seed, recipe.hold_out)
    count = sum(s.split == "valid" for s in samples)
    said = (
        f"no labels and no split for validation: {counted(count, 'picture')} ({recipe.hold_out:.0%} by seed "
        f"{recipe.seed}) are held out, to see how the network agrees with its teachers"
    )
    return replace(part, samples=tuple(samples), notices=(*part.notices, said))


def _columns(one: TrainingSet, wanted: Sequence[str]) -> list[str]:
    """Which of these columns a set's manifest has; class folders have none."""
    table = one.folder if one.folder.is_file() else one.folder / "manifest.csv"
    return [c for c in read_table(table, []).columns if c in wanted] if table.is_file() else []


def _check(sets: Sequence[TrainingSet]) -> None:
    names = [one.called for one in sets]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UsageError(f"two sets are called {twice}", hint=f"add a name to one: --data FOLDER,name={twice}2")
    for one in sets:
        if one.margin < 0 or not (one.share is None or 0 < one.share <= 1):
            raise UsageError(f"the set {one.called}: a share lies above 0 and is at most 1, a margin is at least 0")
    stated = sum(one.share or 0 for one in sets)
    open_ended = any(one.share is None for one in sets)
    if stated > 1 + 1e-6 or (open_ended and stated > 1 - 1e-6) or (not open_ended and stated < 1 - 1e-6):
        raise UsageError(
            f"the shares of the sets sum to {stated:g}",
            cause="shares sum to 1; sets without one divide what is left by their pictures",
            hint="leave the share of one set out",
        )


def _shares(sets: Sequence[TrainingSet], parts: Sequence[Dataset]) -> tuple[tuple[str, float], ...]:
    """Each set's share; empty where none is stated."""
    if all(one.share is None for one in sets):
        return ()
    sizes = [len(part.split("train")) for part in parts]
    rest = 1 - sum(one.share or 0 for one in sets)
    whole = sum(n for one, n in zip(sets, sizes, strict=True) if one.share is None)
    return tuple(
        (one.called, one.share if one.share is not None else rest * n / whole)
        for one, n in zip(sets, sizes, strict=True)
    )
