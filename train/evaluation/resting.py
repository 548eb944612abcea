"""A person's resting face taken off, as `run --resting` does it, and what that changes on labelled pictures.

The resting face is the median over the person's pictures that people labelled neutral, of any split. Nothing is held
against itself: a neutral picture, and a copy of one, is scored with the others of that person alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import Logits, softmax
from ...bundle.dataset import Dataset, Sample
from ...bundle.labels import common_names
from ...bundle.resting import NEUTRAL, logs, neutral_of, take_off_probabilities
from ...bundle.scoring import SharedLabels
from ...errors import DatasetError
from ...export.metrics import Classes, report
from ...words import counted
from .groups.grouping import people
from .options import EvaluateOptions

SMILE = "happy"


@dataclass(frozen=True)
class Rests:
    """Who the scored pictures are of, and who is seen at rest where.

    Attributes:
        column: that names the person.
        samples: the scored pictures; further: pictures at rest beside them, of other splits.
        persons: of the scored and then of the further pictures; "" where nothing is said.
        at_rest: which of them all people labelled neutral, bool (all,).
        neutral: index of the label among the model's.
    """

    column: str
    samples: list[Sample]
    further: list[Sample]
    persons: list[str]
    at_rest: NDArray[np.bool_]
    neutral: int

    def measure(self, seen: Logits, further: Logits, truth: Classes, shared: SharedLabels) -> dict[str, Any]:
        """What the scored pictures read as seen and with the resting face taken off, as metrics.json has it.

        Args:
            seen, further: the model's logits (N, labels) of the pictures of that name; truth: (N,), as `shared` has it.

        Raises:
            DatasetError: no picture has a resting face.
        """
        rows = logs(softmax(np.concatenate([seen, further])))
        named = common_names(shared.names)
        taken, known = self._taken_off(rows, self.at_rest)
        if not known.any():
            raise DatasetError(
                f"no picture has a resting face by the column {self.column}",
                cause=f"nobody has a picture that is labelled {NEUTRAL} and another one beside it",
                hint="the same command with the column that names the person",
            )
        persons = {name for name in self.persons[: len(seen)] if name}
        with_rest = {name for name, has in zip(self.persons[: len(seen)], known, strict=True) if has}
        rest = named.index(NEUTRAL)
        both = {"as_seen": shared.pick(rows[: len(seen)]), "taken_off": shared.pick(taken)}
        right = {name: logits.argmax(axis=1) == truth for name, logits in both.items()}
        return {
            "column": self.column,
            "persons": len(persons),
            "persons_with_rest": len(with_rest),
            "pictures": len(seen),
            "pictures_with_rest": int(known.sum()),
            **{name: _figures(logits, truth, shared.names, rest) for name, logits in both.items()},
            "accuracy_of_those_with_rest": {name: float(hits[known].mean()) for name, hits in right.items()},
            **self._smiling(rows, truth, named, rest, shared),
        }

    def _smiling(
        self, rows: Logits, truth: Classes, named: Sequence[str], rest: int, shared: SharedLabels
    ) -> dict[str, Any]:
        """How often neutral is said where the face that is given as the resting one smiles; empty where nobody does."""
        if SMILE not in named:
            return {}
        smile = np.concatenate([truth == named.index(SMILE), np.zeros(len(self.further), bool)])
        taken, known = self._taken_off(rows, smile)
        said = shared.pick(taken).argmax(axis=1)
        found = {}
        for name in (SMILE, NEUTRAL):
            of = known & (truth == named.index(name))
            if of.any():
                found[name] = {"pictures": int(of.sum()), "called_neutral": float((said[of] == rest).mean())}
        return {"smile_as_rest": found} if SMILE in found else {}

    def _taken_off(self, rows: Logits, at_rest: NDArray[np.bool_]) -> tuple[Logits, NDArray[np.bool_]]:
        """Log-probabilities (N, labels) of the scored pictures, and which had a resting face, bool (N,)."""
        everybody = [*self.samples, *self.further]
        by_person: dict[str, list[int]] = {}
        for place, person in enumerate(self.persons):
            if at_rest[place]:
                by_person.setdefault(person, []).append(place)
        by_person.pop("", None)
        taken, known = rows[: len(self.samples)].copy(), np.zeros(len(self.samples), bool)
        for place, sample in enumerate(self.samples):
            of_person = by_person.get(self.persons[place], [])
            others = [i for i in of_person if i != place and everybody[i].content != sample.content]
            if others:
                rest = np.asarray(np.median(rows[others], axis=0), np.float32)
                taken[place] = logs(take_off_probabilities(softmax(rows[place]), rest, self.neutral))
                known[place] = True
        return taken, known


def find(options: EvaluateOptions, dataset: Dataset, samples: list[Sample], labels: Sequence[str]) -> Rests:
    """Who the scored pictures are of, and where else these people are at rest.

    Args:
        options: its `resting`, `data` and `label` are used.
        samples: that are scored, of `dataset`; labels: the model's.

    Raises:
        UsageError: the model has no label `neutral`; UsageError, DatasetError: no such column, or nobody at rest.
    """
    neutral, asked = neutral_of(labels), str(options.resting)
    column = Path(asked.rpartition(",")[2]).name  # a card says no path of this machine
    place = dataset.labels.index(NEUTRAL)

    def rests(sample: Sample) -> bool:
        return place == (sample.label if options.label == "label" else sample.second)

    scored = {id(s) for s in samples}
    others = [s for s in dataset.samples if id(s) not in scored and rests(s)]
    everybody = people(asked, options.data, [*samples, *others])
    persons, of_others = everybody[: len(samples)], everybody[len(samples) :]
    further = [(s, name) for s, name in zip(others, of_others, strict=True) if name and name in persons]
    persons += [name for _, name in further]
    at_rest = [rests(s) for s in samples] + [True] * len(further)
    if not any(name and is_rest for name, is_rest in zip(persons, at_rest, strict=True)):
        raise DatasetError(
            f"no person of the column {column} has a picture that is labelled {NEUTRAL}",
            cause=f"of {counted(sum(at_rest), 'picture')} labelled so the column does not say who is on it",
            hint="the same command without --resting, or with another column",
        )
    return Rests(column, samples, [s for s, _ in further], persons, np.array(at_rest), neutral)


def _figures(logits: Logits, truth: Classes, labels: Sequence[str], neutral: int) -> dict[str, Any]:
    found, others = report(logits, truth, labels), truth != neutral
    recall = {name: v["recall"] for name, v in found["per_label"].items() if v["support"]}
    false = float((logits[others].argmax(axis=1) == neutral).mean()) if others.any() else None
    kept = {name: found[name] for name in ("accuracy", "mean_recall", "calibration_error")}
    return {**kept, "recall": recall, "false_neutral": false}


def text(found: Mapping[str, Any]) -> str:
    """The figures as lines for a terminal."""
    seen, taken = found["as_seen"], found["taken_off"]
    of = f"{found['persons_with_rest']} of {counted(found['persons'], 'person')}"
    lines = [
        f"resting face by {found['column']}: {of} and {found['pictures_with_rest']} of "
        f"{counted(found['pictures'], 'picture')} have one; the others count as seen",
        f"{'':22} as seen  taken off",
    ]
    rows = [
        (name.replace("_", " "), seen[name], taken[name]) for name in ("accuracy", "mean_recall", "calibration_error")
    ]
    rows += [(f"recall of {name}", recall, taken["recall"][name]) for name, recall in seen["recall"].items()]
    rows.append(("false neutral", seen["false_neutral"], taken["false_neutral"]))
    lines += [f"{name:22} {before:7.3f}  {after:9.3f}" for name, before, after in rows if before is not None]
    if found["pictures_with_rest"] < found["pictures"]:
        before, after = (found["accuracy_of_those_with_rest"][name] for name in ("as_seen", "taken_off"))
        lines.append(f"{'accuracy, those alone':22} {before:7.3f}  {after:9.3f}")
    if smiling := found.get("smile_as_rest"):
        told = [f"{one['called_neutral']:.3f} of {one['pictures']} {name}" for name, one in smiling.items()]
        lines.append(
            f"with another smile of the person taken for the resting face, neutral is said of {', '.join(told)}"
        )
    return "\n".join(lines)
