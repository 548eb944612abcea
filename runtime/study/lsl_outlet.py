"""Our observations as a stream of Lab Streaming Layer, for other programs in the network."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import Any

from ..types import Frame, Observation
from ..vision.smoothing import UNCERTAIN
from .lsl import library

NAME, TYPE = "fer-edge", "Expressions"


class LslWriter:
    """A sink that sends each observation to whoever listens, stamped by when its picture was taken."""

    def __init__(self, labels: Sequence[str], subjects: Sequence[str], began_s: Callable[[], float | None]) -> None:
        """Announce the stream; nobody need listen.

        Args:
            subjects: of a study, in their order; none elsewhere.
            began_s: the monotonic second of the first frame; nothing is sent before it is known.

        Raises MissingExtra, InputError.
        """
        self._lsl, self._labels, self._subjects = library(), tuple(labels), tuple(subjects)
        self._began_s = began_s
        channels = ["face", "shown", "confidence", *labels]
        info = self._lsl.StreamInfo(NAME, TYPE, len(channels), 0.0, "float32", "")
        info.set_channel_labels(channels)
        about = info.desc()
        about.append_child_value("shown", " ".join(f"{i}:{label}" for i, label in enumerate((*labels, UNCERTAIN))))
        about.append_child_value("subjects", " ".join(self._subjects))
        self._outlet: Any = self._lsl.StreamOutlet(info)

    def write(self, frame: Frame, observations: Sequence[Observation]) -> None:
        """Send what was seen in a frame, a sample a face."""
        if (began_s := self._began_s()) is None:
            return
        stamp = began_s + frame.time_s + float(self._lsl.local_clock()) - monotonic()
        for values in self._samples(observations):
            self._outlet.push_sample(values, stamp)

    def close(self) -> None:
        """Take the stream away."""
        self._outlet = None

    def _samples(self, observations: Sequence[Observation]) -> Iterator[list[float]]:
        shown = {label: float(i) for i, label in enumerate((*self._labels, UNCERTAIN))}
        nothing = [math.nan] * len(self._labels)
        for o in observations:
            face = float(self._subjects.index(o.subject) + 1) if o.subject in self._subjects else float(o.track)
            face = -face if self._subjects and not o.subject else face
            yield [face, shown.get(o.label, -1.0), o.confidence, *(o.probabilities or nothing)]
