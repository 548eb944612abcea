"""`fer-edge run`: the main job, from a source to observations."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from ..errors import FerEdgeError, OutputError, SourceError, UsageError
from .main import INTERRUPTED
from .outputs import Outputs
from .progress import StatusLine

if TYPE_CHECKING:
    from ..runtime.pipeline import Pipeline, Tally
    from ..runtime.sources import Source
    from ..runtime.types import Frame, Observation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `run`."""
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="run as a kiosk, as this file says: see fer-edge config"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="with --config: as work.target_fps=10"
    )
    parser.add_argument("--source", default="demo", metavar="WHAT", help=_SOURCE)
    parser.add_argument("--out", type=Path, metavar="DIR", help="write a session here; without it nothing is kept")
    parser.add_argument("--video", action="store_true", help="also record an annotated video into --out")
    parser.add_argument("--replace", action="store_true", help="overwrite the session that is in --out")
    parser.add_argument("--bundle", type=Path, metavar="PATH", help="model bundle (default: the one inside fer-edge)")
    parser.add_argument("--device", default="cpu", metavar="NAME", help="from fer-edge devices (default: cpu)")
    parser.add_argument(
        "--fallback",
        default="none",
        choices=("none", "cpu"),
        help="who stands in while the device is away (default: none)",
    )
    parser.add_argument("--precision", default="auto", choices=("auto", "float32", "float16", "int8"))
    parser.add_argument("--detector", default="auto", choices=("auto", "yunet", "haar"))
    parser.add_argument(
        "--detect-width", type=int, default=320, metavar="PX", help="detect at this width; 0: full size"
    )
    parser.add_argument("--smoother", default="exponential", choices=("exponential", "majority"))
    parser.add_argument("--threads", type=int, metavar="N", help="processor threads (default: up to four)")
    parser.add_argument("--seconds", type=float, metavar="S", help="stop after this much of the source")


_SOURCE = "a video file, picture or folder of pictures, camera:N, a stream's URL, or demo[:SECONDS] (default: demo)"


def run(args: argparse.Namespace) -> int:
    """Open everything, run to the end of the source, and say what was seen; or be a kiosk."""
    if args.config is not None:
        from .kiosk import run_kiosk

        return run_kiosk(args)
    _check(args)
    import cv2

    from ..devices.cpu import default_threads
    from ..runtime.pipeline import Pipeline
    from ..runtime.sources import open_source

    threads = args.threads or default_threads()
    cv2.setNumThreads(threads)
    source = open_source(args.source)
    try:
        pipeline, notice = _open_pipeline(args, threads, Pipeline)
        if notice and not args.json:
            print(notice)
        return _watch(args, source, pipeline)
    finally:
        source.close()


def _check(args: argparse.Namespace) -> None:
    if args.set:
        raise UsageError("--set belongs to --config", hint="fer-edge run --config FILE --set " + args.set[0])
    if args.video and args.out is None:
        raise UsageError("--video needs a place to write to", hint="add --out DIR")
    for name in ("threads", "seconds"):
        value = getattr(args, name)
        if value is not None and not value > 0:
            raise UsageError(f"--{name} must be positive, not {value:g}")
    if args.detect_width < 0 or 0 < args.detect_width < 64:
        raise UsageError("--detect-width must be 0 or at least 64 pixels", cause="faces vanish in smaller pictures")


def _open_pipeline(args: argparse.Namespace, threads: int, kind: type[Pipeline]) -> tuple[Pipeline, str]:
    from ..bundle import find_bundle, open_bundle
    from ..devices.profile import find_profile
    from ..runtime.inference.open_device import open_device
    from ..runtime.vision.detectors import open_detector
    from ..runtime.vision.smoothing import open_smoother

    bundle = open_bundle(find_bundle(args.bundle))
    profile = find_profile(args.device)
    detector, notice = open_detector(args.detector, args.detect_width)
    classifier = open_device(profile, bundle, precision=args.precision, threads=threads, fallback=args.fallback)
    return kind(detector, classifier, open_smoother(args.smoother, bundle.labels)), notice


def _watch(args: argparse.Namespace, source: Source, pipeline: Pipeline) -> int:
    """Run the pipeline with its sinks; whatever happens, the sinks are closed and what they hold can be read."""
    from ..runtime import pipeline as runtime

    outputs = Outputs(args, source, pipeline)
    status = StatusLine()
    started = monotonic()
    ended, code = "source ended", 0
    failure: FerEdgeError | None = None

    def show(frame: Frame, seen: Sequence[Observation]) -> None:
        if not args.json:
            status.show(status_text(frame, seen, pipeline.tally, source, monotonic() - started))

    try:
        runtime.run(_limited(source, args.seconds), pipeline, outputs.sinks, show)
        if source.still and not pipeline.tally.faces:
            raise _no_face(source)
    except KeyboardInterrupt:
        ended, code = "interrupted", 0 if source.live else INTERRUPTED
    except FerEdgeError as error:
        ended, failure = error.message, error
    finally:
        status.end()
    if failure and (not pipeline.tally.frames or (source.still and not pipeline.tally.faces)):
        outputs.discard()
        raise failure
    try:
        outputs.close(ended)
    except OutputError as error:
        failure = failure or error
    _summarise(args, source, pipeline, outputs, monotonic() - started, ended)
    if failure:
        raise failure
    return code


def _limited(source: Source, seconds: float | None) -> Iterator[Frame]:
    return iter(source) if seconds is None else takewhile(lambda f: f.time_s < seconds, source)


def _no_face(source: Source) -> SourceError:
    many = f"any of the {source.frames} pictures of " if source.frames != 1 else ""
    return SourceError(
        f"no face was found in {many}{source.name}",
        cause="there is none, or it is too small, turned away or hidden",
        hint="the same command with --detector yunet --detect-width 0",
    )


def status_text(frame: Frame, seen: Sequence[Observation], tally: Tally, source: Source, elapsed_s: float) -> str:
    """The live line: place in the source, speed, and what each face shows."""
    place = f"{frame.time_s:6.1f} s  frame {frame.index + 1}" + (f"/{source.frames}" if source.frames else "")
    faces = "  ".join(f"{o.label} {o.confidence:.0%}" for o in seen[:4]) or "no face"
    more = f"  +{len(seen) - 4} more" if len(seen) > 4 else ""
    return f"{place}  {tally.frames / max(elapsed_s, 1e-6):5.1f} frames/s  {faces}{more}"


def _summarise(
    args: argparse.Namespace, source: Source, pipeline: Pipeline, outputs: Outputs, elapsed_s: float, ended: str
) -> None:
    tally, device = pipeline.tally, pipeline.classifier.describe()
    total = max(1, sum(tally.labels.values()))
    shares = {k: v / total for k, v in sorted(tally.labels.items(), key=lambda kv: -kv[1])}
    if args.json:
        result = {
            "source": source.name,
            "ended": ended,
            "frames": tally.frames,
            "faces": tally.faces,
            "seconds": round(elapsed_s, 3),
            "frames_per_second": round(tally.frames / max(elapsed_s, 1e-6), 2),
            "stage_seconds": {k: round(v, 4) for k, v in tally.seconds.items()},
            "expressions": shares,
            "device": device,
            "detector": pipeline.detector.name,
            "outputs": {k: str(v) for k, v in outputs.paths.items()},
            "skipped": getattr(source, "skipped", []),
        }
        print(json.dumps(result))
        return
    rate = tally.frames / max(elapsed_s, 1e-6)
    print(f"{source.name}: {tally.frames} frames, {tally.faces} faces in {elapsed_s:.1f} s ({rate:.1f} frames/s)")
    print("expressions: " + (", ".join(f"{k} {v:.0%}" for k, v in shares.items()) or "no face was seen"))
    print(
        f"device:      {device['backend']} {device['version']} on {device['device']}, {device['precision']}, "
        f"{device.get('threads', 1)} threads; detector {pipeline.detector.name}"
    )
    if device.get("connection"):
        print(f"connection:  {device['connection']}")
    if device.get("degraded") or device.get("restarts"):
        now = "degraded: the processor stood in for it" if device.get("degraded") else "it came back"
        print(f"{args.device + ':':12} {now}; {device['restarts']} restarts; last fault: {device['last_fault']}")
    for line in getattr(source, "skipped", []):
        print(f"left out:    {line}")
    for name, path in outputs.paths.items():
        print(f"{name + ':':12} {path}")
