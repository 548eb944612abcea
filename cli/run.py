"""`fer-edge run`: the main job, from a source to observations."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..language import tr, trn
from .main import explain, interrupted
from .output import StatusLine, add_language
from .study import MarkerKeys, add_joining, joining
from .summary import as_json, as_text

if TYPE_CHECKING:
    from ..runtime.build import PipelineOptions
    from ..runtime.run import Analysis, RunOptions
    from ..runtime.types import Frame, Observation


KIOSK_OPTIONS = ("config", "set", "debug", "json", "verb")
"""Options that go with --config."""
SAID = ("verb", "debug", "json", "config", "lang")
"""Options that are none of the run's own."""
KEYS = {
    **{name: f"model.{name}" for name in ("bundle", "device", "precision", "fallback")},
    "faces_per_frame": "work.faces_per_frame",
    **{name: f"model.{name}" for name in ("detector", "detect_width", "smoother", "threads")},
    "source": "source.what",
    "lang": "web.lang",
}
"""Options that a kiosk has a key for -> that key."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="run as a kiosk, as this file says: see fer-edge config"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="with --config: as work.target_fps=10"
    )
    parser.add_argument("what", nargs="?", metavar="SOURCE", help=_SOURCE)
    parser.add_argument("--source", metavar="SOURCE", help="the same, for scripts")
    parser.add_argument("--out", type=Path, metavar="DIR", help="write a session here; without it nothing is kept")
    parser.add_argument(
        "--video", action="store_true", help="also write an annotated video, or annotated pictures, into --out"
    )
    parser.add_argument("--replace", action="store_true", help="overwrite the session that is in --out")
    add_pipeline(parser)
    parser.add_argument("--faces-per-frame", type=int, metavar="N", help=_THINNED)
    parser.add_argument("--resting", metavar="FACE", help=_RESTING)
    parser.add_argument(
        "--resting-save", metavar="NAME", help="keep that resting face (numbers, no picture) for --resting NAME"
    )
    add_joining(parser)
    parser.add_argument(
        "--lsl-in",
        action="append",
        metavar="STREAM",
        help="keep markers or signals of this Lab Streaming Layer stream in the session; once for each",
    )
    parser.add_argument("--lsl-out", action="store_true", help="send what is seen as the LSL stream fer-edge")
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after this much of the source")
    add_language(parser)


def add_pipeline(parser: argparse.ArgumentParser, threads: str = "up to four") -> None:
    """The options that a pipeline is made of, for every verb that makes one; `threads` tells the default."""
    parser.add_argument("--bundle", type=Path, metavar="PATH", help="model bundle (default: the one inside fer-edge)")
    parser.add_argument("--device", metavar="NAME", help="from fer-edge devices (default: cpu)")
    parser.add_argument(
        "--fallback",
        choices=("none", "cpu"),
        help="who stands in while the device is away (default: none)",
    )
    parser.add_argument("--precision", choices=("auto", "float32", "float16", "int8"), help="(default: auto)")
    parser.add_argument("--detector", choices=("auto", "yunet", "haar"), help="(default: auto)")
    parser.add_argument(
        "--detect-width", type=int, metavar="PX", help="detect at this width; 0: full size (default: 320)"
    )
    parser.add_argument("--smoother", choices=("exponential", "majority"), help="(default: exponential)")
    parser.add_argument(
        "--quality-gate",
        choices=("on", "off"),
        help="off: read faces, too, that are too small, cut off, turned away, dark, bright or blurred (default: on)",
    )
    parser.add_argument("--threads", type=int, metavar="N", help=f"processor threads (default: {threads})")


_SOURCE = (
    "a video, a picture, a folder of pictures, 'photos/*.jpg', camera:N or its path, a stream's URL, or demo[:SECONDS] "
    "(default: demo)"
)
_THINNED = (
    "of several faces read so many a frame, in the mean: all together, the more of them the more seldom, each twice a "
    "second at least; 0: all in every frame (default: 1 of a camera or stream, else 0)"
)
_RESTING = (
    "take this resting face off what is seen: first:2s (whoever is seen in the first 2 s is at rest), a picture or a "
    "folder of the person at rest, a session, a kept NAME; or own:60s: what each face mostly shows"
)


def run(args: argparse.Namespace) -> int:
    """Run to the end of the source, and say what was seen; or be a kiosk."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before numpy is loaded: see devices/cpu.py
    if args.config is not None:
        from ..runtime.kiosk.service import KioskOptions, run_kiosk

        _refuse_session_options(vars(args))
        return run_kiosk(KioskOptions(args.config, tuple(args.set), args.debug))
    options = _options(**{k: v for k, v in vars(args).items() if k not in SAID})
    from ..runtime.run import run_session

    status, ask, keys = StatusLine(), RestingPrompt(), MarkerKeys()

    def show(analysis: Analysis, frame: Frame, seen: Sequence[Observation]) -> None:
        ask.show(analysis, frame)
        keys.show(analysis)
        if not args.json:
            status.show(status_text(analysis, frame, seen))

    try:
        summary = run_session(options, show, (lambda line: None) if args.json else print)
    finally:
        keys.close()
        status.end()
    failure = summary.failure
    failed = failure.as_mapping() if failure else {}
    print(json.dumps({**as_json(summary), **failed}) if args.json else as_text(summary, options.pipeline.device))
    if failure:
        return explain(failure, args.debug, as_json=False)
    return interrupted() if summary.interrupted and not summary.live else 0


class RestingPrompt:
    """Asks whoever is before a camera for a relaxed face, and says when that is over; on standard error."""

    def __init__(self) -> None:
        self._asked = self._told = False

    def show(self, analysis: Analysis, frame: Frame) -> None:
        """After each frame."""
        from ..runtime.vision.resting_face import FirstSeconds

        resting = analysis.pipeline.resting
        if self._told or not (analysis.source.live and isinstance(resting, FirstSeconds)):
            return
        if not self._asked:
            look = tr("look at the camera with a relaxed face for {seconds} s", seconds=f"{resting.seconds:g}")
            print(look, file=sys.stderr, flush=True)
        self._asked, self._told = True, frame.time_s >= resting.seconds
        if self._told:
            learnt = len(resting.learnt())
            people = trn(learnt, "person", "people")
            said = (
                tr("done: the resting face of {people} is known", people=people)
                if learnt
                else tr("done: nobody was seen")
            )
            print(said, file=sys.stderr, flush=True)


def _refuse_session_options(given: Mapping[str, object]) -> None:
    """Raise UsageError for an option that belongs to a single run: a kiosk's are in its file."""
    for name, value in given.items():
        if name in KIOSK_OPTIONS or value is None or value is False:  # what was not given has no other value
            continue
        option = "a source" if name == "what" else "--" + name.replace("_", "-")
        key = KEYS.get("source" if name == "what" else name)
        hint = f"fer-edge run --config {given['config']} --set {key}={value}" if key else ""
        raise UsageError(f"{option} does not go with --config", cause="the kiosk is what its file says", hint=hint)


def _options(
    set: list[str],
    what: str | None,
    source: str | None,
    out: Path | None,
    video: bool,
    replace: bool,
    seconds: float | None,
    resting_save: str | None,
    study: Path | None,
    subject: list[str] | None,
    condition: str | None,
    note: str | None,
    assign: str | None,
    lsl_in: list[str] | None,
    lsl_out: bool,
    **pipeline: Any,
) -> RunOptions:
    """The options of a run from those of the verb, whose names are the same; raises UsageError."""
    from ..runtime.run import LslOptions, RunOptions

    given = pipeline_options(**pipeline)
    if set:
        raise UsageError("--set belongs to --config", hint="fer-edge run --config FILE --set " + set[0])
    if what and source:
        raise UsageError(f"two sources were given, {what} and {source}", hint=f"fer-edge run {what}")
    if video and out is None and study is None:
        raise UsageError("--video needs a place to write to", hint="the same command with --out DIR")
    if seconds is not None and not seconds > 0:
        raise UsageError(f"--seconds must be positive, not {seconds:g}")
    joins = joining(
        study, subject, condition, note, assign, writes=out is not None or replace, saves=resting_save is not None
    )
    lsl = LslOptions(tuple(lsl_in or ()), lsl_out)
    wanted = (out, video, replace, seconds, given, resting_save, joins, lsl)
    return RunOptions(what or source or RunOptions.source, *wanted)


def pipeline_options(quality_gate: str | None, **given: Any) -> PipelineOptions:
    """Those of `add_pipeline`, by the names of the fields; what was not given is as usual. Raises UsageError."""
    from ..runtime.build import PipelineOptions

    told = {name: value for name, value in given.items() if value is not None}
    options = PipelineOptions(quality_gate=quality_gate != "off", **told)
    if options.threads is not None and options.threads < 1:
        raise UsageError(f"--threads must be positive, not {options.threads}")
    if options.faces_per_frame is not None and options.faces_per_frame < 0:
        raise UsageError(f"--faces-per-frame must be 0 or more, not {options.faces_per_frame}")
    if options.detect_width < 0 or 0 < options.detect_width < 64:
        raise UsageError("--detect-width must be 0 or at least 64 pixels", cause="faces vanish in smaller pictures")
    return options


def status_text(analysis: Analysis, frame: Frame, seen: Sequence[Observation]) -> str:
    """The live line: place in the source, speed, and what each face shows."""
    from ..runtime.report.annotate import told

    total, rate = analysis.source.frames, analysis.pipeline.tally.frames / max(analysis.elapsed_s, 1e-6)
    count = f"{frame.index + 1}/{total}" if total else f"{frame.index + 1}"
    place = f"{tr('picture')} {count}  {frame.name}" if frame.name else f"{frame.time_s:6.1f} s  {tr('frame')} {count}"
    faces = "  ".join(f"{o.track}: {told(o)}" for o in seen[:4]) or tr("no face")
    more = "  " + tr("+{more} more", more=len(seen) - 4) if len(seen) > 4 else ""
    return f"{place}  {rate:5.1f} {tr('frames/s')}  {faces}{more}"
