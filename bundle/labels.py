"""The seven expressions, in the order every stage uses, and the words that others have for them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import DatasetError, UsageError
from ..toml_schema import NotToml, read_toml

LABELS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
"""Ekman's six basic expressions and neutral; a logit's position is its label's position here."""
WORDS: dict[str, tuple[str, ...]] = {
    "angry": ("anger", "an", "ang"),
    "disgust": ("disgusted", "di", "dis"),
    "fear": ("fearful", "afraid", "scared", "fe", "af", "fea"),
    "happy": ("happiness", "joy", "joyful", "ha", "hap"),
    "neutral": ("neutrality", "ne", "neu"),
    "sad": ("sadness", "sa"),
    "surprise": ("surprised", "su", "sur"),
    "contempt": ("contemptuous", "con"),
}
"""Label -> other words of public sets and models; the short ones are those of JAFFE's and KDEF's file names."""
NUMBERED: dict[str, tuple[int, tuple[str, ...]]] = {
    "raf-db": (1, ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")),
    "fer2013": (0, ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")),
    "affectnet": (0, ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")),
    "ck+": (0, ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")),
}
"""Set -> its first number and what its numbers mean, as its authors publish them."""


def known_label(word: str) -> str | None:
    """The label that a word means, whatever its case and a number before it (`3_Happiness`); None: no usual word."""
    plain = re.sub(r"^\d+[\s_.-]+", "", word.strip().casefold())
    return next((label for label, words in WORDS.items() if plain == label or plain in words), None)


def common_names(labels: Sequence[str]) -> list[str]:
    """What a model's labels are called here: the usual words as in LABELS, others in small letters."""
    return [known_label(label) or label.strip().casefold() for label in labels]


def read_label_map(name: str | None) -> Mapping[str, str]:
    """Word -> label, or "" for what is to be left out; from the name of a numbered set or a TOML file.

    Raises:
        UsageError: neither; or a file that is not a table of words.
    """
    if not name:
        return {}
    if (chosen := name.casefold()) in NUMBERED:
        first, labels = NUMBERED[chosen]
        return {str(first + i): label for i, label in enumerate(labels)}
    try:
        table = read_toml(Path(name))[1]
    except (OSError, NotToml) as error:
        raise UsageError(
            f"the label map {name} cannot be read: {error}",
            cause='it is a file with a line for each folder, such as 1 = "happy", or one of ' + ", ".join(NUMBERED),
            hint="""echo '"Very happy" = "happy"' > labels.toml""",
        ) from None
    for word, label in table.items():
        if not isinstance(label, str):
            raise UsageError(f'{name}: {word} must be a label in quotes, or "" to leave it out, not {label!r}')
    return {word: known_label(label) or label.casefold() for word, label in table.items()}


def numbered_hint(numbers: Sequence[str]) -> str:
    """Which sets of NUMBERED count like that, each with what the numbers mean."""
    fitting = []
    for name, (first, labels) in NUMBERED.items():
        if set(numbers) <= {str(first + i) for i in range(len(labels))}:
            told = ", ".join(f"{first + i} {label}" for i, label in enumerate(labels))
            fitting.append(f"--label-map {name} ({told})")
    return ", or ".join([*fitting, "--label-map FILE"])


class Naming:
    """What label a folder's or a cell's word means, and a record of what was made of the words."""

    def __init__(self, label_map: Mapping[str, str], any_label: bool) -> None:
        """Args: label_map, from `read_label_map`; any_label: words beyond LABELS are labels of their own."""
        self.labels = list(LABELS)
        self._map, self._any = label_map, any_label
        self._read_as: dict[str, str] = {}

    def index(self, word: str, where: str, beside: Sequence[str] = ()) -> int | None:
        """Position of a word's label in `labels`; None where it is to be left out.

        Args:
            where: it was read, for the error; beside: the words that stand beside it.

        Raises:
            DatasetError: no label, or a number whose meaning nobody told.
        """
        key = str(int(word)) if word.isdecimal() else word
        mapped = self._map.get(word, self._map.get(key))
        label = (known_label(word) or word.strip().casefold()) if mapped is None else mapped
        if mapped is None and word.isdecimal():
            numbers = [str(int(w)) for w in (*beside, word) if w.isdecimal()]
            raise DatasetError(
                f"{where}: the label {word} is a number, and public sets number expressions differently",
                cause="a wrong guess would train or score every picture under another expression's name",
                hint=f"add {numbered_hint(numbers)}",
            )
        left_out = not label or (mapped is not None and label in WORDS and label not in LABELS and not self._any)
        if left_out or label != word:
            self._read_as[word] = "" if left_out else label
        if left_out:
            return None
        if label not in self.labels:
            if not self._any:
                raise unknown_label(word, where)
            self.labels.append(label)
        return self.labels.index(label)

    def notices(self) -> list[str]:
        """What words were understood as others, and which were left out."""
        read = [f"{word} = {label}" for word, label in sorted(self._read_as.items()) if label]
        left = [word for word, label in sorted(self._read_as.items()) if not label]
        return [
            *([f"labels read as: {', '.join(read)}"] if read else []),
            *([f"labels left out: {', '.join(left)}"] if left else []),
        ]


def unknown_label(word: str, where: str, labels: Sequence[str] = LABELS) -> DatasetError:
    """The error for a word that is none of these labels."""
    return DatasetError(
        f"{where}: unknown label {word!r}",
        cause=f"the labels are: {', '.join(labels)}, and their usual synonyms",
        hint=f"""echo '"{word}" = ""' > labels.toml  # --label-map labels.toml then leaves it out; or name its label""",
    )
