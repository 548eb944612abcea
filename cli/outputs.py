"""The outputs of a run: its store and its video, opened, finished and discarded together."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import OutputError

if TYPE_CHECKING:
    from ..runtime.pipeline import Pipeline, Sink
    from ..runtime.report.video import VideoSink
    from ..runtime.sources import Source


class Outputs:
    """The session's store and video, opened together."""

    def __init__(self, args: argparse.Namespace, source: Source, pipeline: Pipeline) -> None:
        self.sinks: list[Sink] = []
        self.paths: dict[str, Path] = {}
        self.pipeline = pipeline
        self.folder: Path | None = args.out
        if args.out is None:
            return
        from ..runtime.report.video import VideoSink, find_video
        from ..runtime.storage import store_path
        from ..runtime.storage.session import StoreSink
        from ..runtime.storage.session_facts import session_facts

        self.store = StoreSink(args.out, session_facts(source.name, source.fps, pipeline), args.replace)
        self.sinks.append(self.store)
        self.paths["session"] = store_path(args.out)
        while args.replace and (old := find_video(args.out)):
            old.unlink()
        for part in args.out.glob(".annotated.*.part.*") if args.replace else ():
            part.unlink()  # a killed run's
        self.video: VideoSink | None = None
        if args.video:
            self.video = VideoSink(args.out, source.fps)
            self.sinks.append(self.video)
            self.paths["video"] = self.video.path
            if self.video.notice and not args.json:
                print(self.video.notice)

    def close(self, ended: str) -> None:
        """Finish store and video, each even if the other fails; raises the first OutputError."""
        if self.folder is None:
            return
        tally = self.pipeline.tally
        failure: OutputError | None = None
        facts = {"frames": tally.frames, "faces": tally.faces, "ended": ended}
        steps = [self.store.commit, lambda: self.store.note(facts), self.store.close]
        for step in [*([self.video.close] if self.video else []), *steps]:
            try:
                step()
            except OutputError as error:
                failure = failure or error
        if self.video and not self.paths["video"].is_file():
            del self.paths["video"]
        if failure:
            raise failure

    def discard(self) -> None:
        """Leave nothing behind of a run that saw nothing."""
        if self.folder is None:
            return
        if self.video:
            self.video.abandon()
        self.store.discard()
