"""The outputs of a run: its store and its video, opened, finished and discarded together; what its store says of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..errors import OutputError

if TYPE_CHECKING:
    from .inference.classifier import Classifier
    from .pipeline import Pipeline, Sink
    from .report.pictures import PictureSink
    from .report.video import VideoSink
    from .sources import Source
    from .storage.session import Marker
    from .types import Frame


class Outputs:
    """The session's store and video, opened together; nothing at all without a folder."""

    def __init__(
        self,
        folder: Path | None,
        video: bool,
        replace: bool,
        source: Source,
        pipeline: Pipeline,
        on_notice: Callable[[str], None],
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        """Open them; `facts` are told of the session beside `session_facts`.

        Raises UsageError for a session that is there already, OutputError, MissingExtra.
        """
        self.sinks: list[Sink] = []
        self.paths: dict[str, Path] = {}
        self.pipeline, self.folder, self._source = pipeline, folder, source
        self.video: VideoSink | PictureSink | None = None
        self.began_s: float | None = None
        self.on_begun: Callable[[], None] = lambda: None
        """Called when the first frame is there, and the session's clock with it."""
        if folder is None:
            return
        from .storage.session import StoreSink

        self.store = StoreSink(folder, {**session_facts(source.name, source.fps, pipeline), **(facts or {})}, replace)
        self.sinks.append(self.store)
        self.paths["session"] = self.store.path
        try:
            self._open_video(folder, video, replace, source, on_notice)
        except BaseException:
            self.discard()  # a store without anything in it would look like a session
            raise

    def _open_video(
        self, folder: Path, video: bool, replace: bool, source: Source, on_notice: Callable[[str], None]
    ) -> None:
        from .report.pictures import PictureSink
        from .report.video import VideoSink, find_video

        if replace:
            PictureSink(folder).abandon()
        while replace and (old := find_video(folder)):
            old.unlink()
        for part in folder.glob(".annotated.*.part.*") if replace else ():
            part.unlink()  # a killed run's
        if video:
            self._kind = "pictures" if source.still else "video"
            self.video = PictureSink(folder) if source.still else VideoSink(folder, source.fps)
            self.sinks.append(self.video)
            self.paths[self._kind] = self.video.path
            if self.video.notice:
                on_notice(self.video.notice)

    def begun(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The same frames; at the first the store is told when it was taken, or looked at in a file; OutputError."""
        for frame in frames:
            if frame.index == 0 and self.folder is not None:
                from .storage.clock import started_facts

                self.began_s = getattr(self._source, "began_s", monotonic())
                self.store.note({**started_facts(self.began_s), "live": self._source.live})
                self.on_begun()
            yield frame

    def mark(self, name: str, source: str, at_s: float) -> Marker | None:
        """See Analysis."""
        if (time_s := self._time_of(at_s)) is None:
            return None
        from .storage.session import Marker

        marker = Marker(time_s, name, source)
        self.store.mark(marker)
        return marker

    def sample(self, name: str, value: float, at_s: float) -> None:
        """Keep a finite number of a signal; as `mark`."""
        if (time_s := self._time_of(at_s)) is not None:
            self.store.sample(time_s, name, value)

    def _time_of(self, at_s: float) -> float | None:
        """A monotonic second on the session's clock; None where nothing is kept, or before the beginning."""
        began_s = self.began_s  # another thread may end it meanwhile
        return None if self.folder is None or began_s is None or at_s < began_s else round(at_s - began_s, 6)

    def close(self, ended: str) -> None:
        """Finish store and video, each even if the other fails; raises the first OutputError."""
        if self.folder is None:
            return
        self.began_s = None  # what is marked from now on would not be kept
        tally = self.pipeline.tally
        failure: OutputError | None = None
        skipped = list(getattr(self._source, "skipped", []))
        facts = {"frames": tally.frames, "faces": tally.faces, "ended": ended, "skipped": skipped}
        facts |= {"resting": resting_fact(self.pipeline), "infer_every_s": self.pipeline.turns.hold_s}
        steps = [self.store.commit, lambda: self.store.note(facts), self.store.close]
        for step in [*([self.video.close] if self.video else []), *steps]:
            try:
                step()
            except OutputError as error:
                failure = failure or error
        if self.video and not self.video.path.exists():
            del self.paths[self._kind]
        if failure:
            raise failure

    def discard(self) -> None:
        """Leave nothing behind of a run that saw nothing."""
        if self.folder is None:
            return
        if self.video:
            self.video.abandon()
        self.store.discard()


def session_facts(source: str, fps: float, pipeline: Pipeline) -> dict[str, Any]:
    """JSON values by name; of the source its name, and its frames a second, 0 when it has no rate."""
    from .. import __version__
    from ..devices.cpu import model_name

    device = pipeline.classifier.describe()
    return {
        "fer_edge": __version__,
        "source": source,
        "fps": fps,
        "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "labels": list(pipeline.classifier.labels),
        "bundle": device["bundle"],
        "artifact": f"{device['artifact']} ({device['precision']})",
        "artifact_sha256": device["sha256"],
        "device": f"{model_name()}; {device['backend']} {device['version']} on {device['device']}",
        "threads": device.get("threads", 1),
        "degraded": device.get("degraded", False),
        "detector": pipeline.detector.name,
        "smoother": pipeline.smoother.name,
        "infer_every_s": pipeline.turns.hold_s,
        "resting": resting_fact(pipeline),
    }


def resting_fact(pipeline: Pipeline) -> dict[str, Any] | None:
    """Which resting face is taken off, as JSON values; None: none."""
    return pipeline.resting.describe() if pipeline.resting else None


def measured_fact(classifier: Classifier) -> dict[str, Any]:
    """`measured`: on what set and how many images the artifact's precision and recall were found, 0..1 by label.

    Nothing where its bundle does not say.
    """
    metrics = classifier.artifact.metrics
    by_label = {
        label: {name: round(float(told[name]), 4) for name in ("precision", "recall")}
        for label, told in metrics.get("per_label", {}).items()
    }
    about = {"set": metrics.get("set"), "images": metrics.get("images"), "per_label": by_label}
    return {"measured": about} if by_label else {}
