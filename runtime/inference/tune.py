"""Which of the ways to run a bundle on this processor is fastest: each is timed, and the answer is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...bundle import Artifact, Bundle, open_bundle
from ...devices.cpu import default_threads
from ...devices.tuned import Timing, best, recall, remember
from ...errors import DeviceNotFound, FerEdgeError
from ..backends import RUNS, open_backend
from .acceptance import MIN_AGREEMENT, agreement, work
from .classifier import Classifier, accurate_enough, runs_here

SECONDS = 1.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class TuneOptions:
    """What to time.

    Attributes:
        bundle: an opened one, a folder or .zip, the name of one that ships, or None for the default.
        seconds: of work for each way.
        threads: only so many; None times one, two, and as many as would be taken unmeasured.
    """

    bundle: Bundle | Path | str | None = None
    seconds: float = SECONDS
    threads: int | None = None


@dataclass(frozen=True)
class Tuned:
    """What was measured, the fastest, and why other ways were left out."""

    timings: tuple[Timing, ...]
    chosen: Timing
    left_out: dict[str, str]


def tune(options: TuneOptions, on_note: Say = lambda text: None) -> Tuned:
    """Time every library that is installed with every artifact that is accurate enough, and keep what was found.

    Raises:
        BundleError: it cannot be opened; DeviceNotFound: nothing here runs it; OutputError: the cache cannot be
        written.
    """
    bundle = options.bundle if isinstance(options.bundle, Bundle) else open_bundle(options.bundle)
    counts = [options.threads] if options.threads else sorted({1, min(2, default_threads()), default_threads()})
    timings: list[Timing] = []
    left_out: dict[str, str] = {}
    for backend, artifact in ways(bundle):
        path = bundle.path(artifact)
        for threads in counts:
            try:
                timings.append(_timed(bundle, artifact, path, backend, threads, options.seconds))
            except FerEdgeError as error:
                left_out[f"{backend} {artifact.path}"] = error.message
                break
            on_note(str(timings[-1]))
    chosen = best(timings)
    if chosen is None:
        raise DeviceNotFound(f"nothing here runs the bundle {bundle.manifest.name}", hint="fer-edge doctor")
    remember(bundle, timings)
    return Tuned(tuple(timings), chosen, left_out)


def tune_once(bundle: Bundle, on_note: Say) -> None:
    """At the first start with this bundle, processor and these versions; a cache that cannot be written is told."""
    if recall(bundle):
        return
    on_note("timing what is installed, once, for a second each")
    try:
        on_note(f"the fastest is {tune(TuneOptions(bundle)).chosen}")
    except FerEdgeError as error:
        on_note(f"not tuned: {error.message}")


def ways(bundle: Bundle) -> Iterator[tuple[str, Artifact]]:
    """Backend and artifact of each way; OpenVINO reads ONNX graphs too. A TensorRT artifact is one of them again."""
    for artifact in bundle.manifest.artifacts:
        if artifact.target == "tensorrt" or not runs_here(artifact) or not accurate_enough(bundle, artifact):
            continue
        yield RUNS[artifact.target], artifact
        if artifact.target == "onnx":
            yield "openvino", artifact


def _timed(bundle: Bundle, artifact: Artifact, path: Path, backend: str, threads: int, seconds: float) -> Timing:
    """Raises FerEdgeError where it does not run, or says something else than the bundle's own graph."""
    opened = open_backend(backend, path, {"threads": threads})
    classifier = Classifier(bundle, artifact, threads, opened)
    try:
        equal = agreement(classifier, bundle)["label_agreement"]
        if equal < MIN_AGREEMENT:
            raise DeviceNotFound(f"only {equal:.0%} of its labels are those of the bundle's graph")
        return Timing(
            backend, artifact.path, artifact.precision, threads, work(classifier, seconds).metrics()["p50_ms"]
        )
    finally:
        classifier.close()
