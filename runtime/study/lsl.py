"""Lab Streaming Layer: markers and signals of other programs into a session.

LSL stamps each sample by the sender's clock and measures how far that is from ours (labstreaminglayer.readthedocs.io,
"Time synchronization"). Our clock is that of the frames, the monotonic one.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from ...errors import InputError, MissingExtra, SourceError, UsageError
from ..storage.session import MAX_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

FIND_S, PULL_S = 5.0, 0.2
"""How long a stream is looked for, and how long a pull waits before it looks whether it is to end."""
CORRECT_S = 5.0
"""Between two measurements of a sender's clock; LSL itself measures that often."""
OTHER_CLOCK_S = 60.0
"""Stamps further from now than this are of another clock than LSL's, such as seconds since 1970."""
MOST_A_SECOND = 2000
"""Numbers a second of one stream; brain waves belong into LabRecorder's files."""
CONFIGURED = ("lsl_api.cfg", "$HOME/lsl_api/lsl_api.cfg", "/etc/lsl_api/lsl_api.cfg")
"""Where LSL looks for a configuration of the user's own, after LSLAPICFG."""


class Keeps(Protocol):
    """Where markers and samples go, by the monotonic second at which they were; from any thread."""

    def mark(self, name: str, source: str, at_s: float) -> object:
        """Keep a marker."""

    def sample(self, name: str, value: float, at_s: float) -> None:
        """Keep a number of a signal."""


def library() -> Any:
    """The module pylsl, told to be quiet unless the user has configured LSL; raises MissingExtra, InputError."""
    import os

    try:
        import pylsl
    except ImportError:
        raise MissingExtra("pylsl", "lsl") from None
    except (RuntimeError, OSError) as error:  # the package without its C library, on machines without a wheel
        raise InputError(
            "pylsl is here, but not the library liblsl that it needs",
            cause=str(error).strip().partition("\n")[0],
        ) from None
    if "LSLAPICFG" not in os.environ and not any(os.path.isfile(os.path.expandvars(name)) for name in CONFIGURED):
        pylsl.set_config_content("[log]\nlevel = -3\n")
    return pylsl


class LslReader:
    """One stream, read in a thread of its own from `start` to `close`; it comes back by itself when it was lost."""

    def __init__(self, name: str, keeps: Keeps, say: Callable[[str], None], find_s: float = FIND_S) -> None:
        """Find the stream and open it, so that it sends from now on.

        Args:
            name: of the stream, as its sender gave it.
            say: takes a line for people, in the reader's thread.

        Raises MissingExtra, InputError; SourceError: no stream of that name, or it does not answer; UsageError: it is
        too fast to be kept in a session.
        """
        self._lsl, self.name, self._keeps, self._say = library(), name, keeps, say
        self._end, self._said = threading.Event(), set[str]()
        found = self._found(find_s)
        if found is None:
            others = sorted({info.name() for info in self._lsl.resolve_streams(1.0)})
            raise SourceError(
                f"there is no LSL stream named {name}",
                cause=f"there are: {', '.join(others)}" if others else "nobody streams in this network, or a firewall",
            )
        self._inlet, self._correction_s, self._closed = self._open(found), 0.0, False
        try:
            self._measure()
        except self._lsl.util.LostError:
            raise SourceError(f"the LSL stream {name} has just ended") from None
        self.about = self._described(found)
        self._thread = threading.Thread(target=self._work, name=f"lsl {name}", daemon=True)

    def start(self) -> None:
        """Begin to keep what comes, and what came since it was opened."""
        self._keep_offset()
        self._thread.start()

    def close(self) -> None:
        """Take what is there still, and end; calling it again is harmless."""
        if self._closed:
            return
        self._closed = True
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join(5.0)
        self._inlet.close_stream()

    def _found(self, find_s: float) -> Any:
        """The stream's description; None when there is none in time."""
        quoted = '"' if "'" in self.name else "'"  # LSL puts the name into an XPath as it is
        if quoted in self.name:
            return None
        streams = self._lsl.resolve_bypred(f"name={quoted}{self.name}{quoted}", 1, find_s)
        return next((info for info in streams if info.name() == self.name), None)

    def _open(self, found: Any) -> Any:
        rate = found.nominal_srate() * found.channel_count()
        if rate > MOST_A_SECOND:
            raise UsageError(
                f"the LSL stream {self.name} has {rate:g} numbers a second, more than {MOST_A_SECOND}",
                cause="a session keeps markers and slow signals, such as heart rate",
            )
        inlet = self._lsl.StreamInlet(found, recover=False)
        try:
            inlet.open_stream(FIND_S)
            full = inlet.info(FIND_S)
        except (self._lsl.util.LostError, self._lsl.util.TimeoutError) as error:
            what = f"the LSL stream {self.name} does not answer: {error}"
            raise SourceError(what, cause="it has just ended, or a firewall is between") from None
        self.marks = found.type().casefold() == "markers" or found.channel_format() == self._lsl.cf_string
        labels = list(full.get_channel_labels() or []) if found.channel_count() > 1 else []
        channels = [labels[i] if i < len(labels) and labels[i] else str(i + 1) for i in range(found.channel_count())]
        self._channels = [self.name] if len(channels) == 1 else [f"{self.name}.{channel}" for channel in channels]
        return inlet

    def _described(self, found: Any) -> Mapping[str, Any]:
        """What a session says of the stream, as JSON values."""
        told = {"name": self.name, "type": found.type(), "host": found.hostname(), "source_id": found.source_id()}
        offset_s = round(self._correction_s, 6)
        return {**told, "rate": found.nominal_srate(), "channels": self._channels, "clock_offset_s": offset_s}

    def _work(self) -> None:
        corrected_s = monotonic()
        while True:
            last = self._end.is_set()
            try:
                self._pull(0.0 if last else PULL_S)
                if monotonic() - corrected_s >= CORRECT_S:
                    corrected_s = monotonic()
                    self._measure()
                    self._keep_offset()
            except self._lsl.util.LostError:
                self._say(f"the LSL stream {self.name} has stopped; what it sent is kept, and it is looked for")
                if last or not self._again():
                    return
            if last:
                return

    def _again(self) -> bool:
        """Wait until the stream is back; False when it is time to end."""
        while not self._end.is_set():
            if (found := self._found(1.0)) is None:
                continue
            try:
                self._inlet.close_stream()
                self._inlet = self._open(found)
                self._measure()
                self._keep_offset()
            except (SourceError, UsageError, self._lsl.util.LostError):
                continue
            self._say(f"the LSL stream {self.name} is back")
            return True
        return False

    def _measure(self) -> None:
        """How far the sender's clock is from ours; raises LostError of pylsl."""
        try:
            self._correction_s = float(self._inlet.time_correction(FIND_S))
        except self._lsl.util.TimeoutError:
            self._once(f"the clock of the LSL stream {self.name} cannot be measured; the last offset is taken")

    def _keep_offset(self) -> None:
        """Beside the signals, so that it is told over time."""
        self._keeps.sample(f"clock_offset.{self.name}", self._correction_s, monotonic())

    def _pull(self, wait_s: float) -> None:
        samples, stamps = self._inlet.pull_chunk(wait_s, 1024)
        between_s = monotonic() - float(self._lsl.local_clock())
        for values, stamp in zip(samples, stamps, strict=True):
            self._keep(values, self._at_s(float(stamp) + self._correction_s + between_s))

    def _at_s(self, at_s: float) -> float:
        now = monotonic()
        if math.isfinite(at_s) and abs(at_s - now) < OTHER_CLOCK_S:
            return at_s
        self._once(f"the LSL stream {self.name} is stamped by another clock than LSL's; the time of arrival is taken")
        return now

    def _keep(self, values: Sequence[Any], at_s: float) -> None:
        if self.marks:
            name = " ".join(str(value) for value in values if str(value).strip())
            if plain := "".join(c if c.isprintable() else " " for c in name).strip()[:MAX_NAME]:
                self._keeps.mark(plain, f"lsl:{self.name}", at_s)
            return
        for channel, value in zip(self._channels, values, strict=True):
            if math.isfinite(value):
                self._keeps.sample(channel, float(value), at_s)
            else:
                self._once(f"the LSL stream {self.name} sends no finite numbers (NaN) at times; they are left out")

    def _once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say(line)
