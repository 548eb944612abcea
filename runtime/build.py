"""The one place that puts a pipeline together: for `run`, the kiosk, the API, the live check and the benchmarks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ..bundle import Bundle
from ..bundle.resting import RestingProfile
from ..devices.cpu import limit_threads
from ..devices.profile import find_profile
from .inference.classifier import Classifier
from .inference.mirrored import MirroredClassifier
from .inference.open_device import bundle_for, open_device, threads_for
from .pipeline import FaceClassifier, Pipeline
from .vision.detectors import Detector, open_detector
from .vision.resting_face import RestingFace
from .vision.seating import Seating
from .vision.smoothing import open_smoother


@dataclass(frozen=True)
class PipelineOptions:
    """What a pipeline is made of; the defaults are those of `fer-edge run`.

    Attributes:
        bundle: an opened one, a folder or .zip, the name of one that ships, or None for the one made for the device.
        device: a name of `fer-edge devices`.
        precision: of the artifact; auto is what the device's profile says.
        fallback: `cpu` lets the processor stand in, visibly, for a device that cannot run; `none` fails instead.
        threads: of the processor; None: as tuned, else as many as it has, up to four.
        detector: yunet, haar, or auto: YuNet, fetched once where it is not in the cache; Haar where that fails.
        detect_width: frames are scaled down to this many pixels for detection; 0: full size.
        smoother: exponential or majority.
        detect_every: the detector sees the whole of every n-th frame, and between only where faces are; 1: of each one;
            0: as often as it takes to find a new face within 0.3 s.
        infer_every_s: least seconds between two inferences of a face; 0: in every frame.
        faces_per_frame: so many are classified a frame in the mean, all in view together: of four each in every fourth
            frame where this is 1; 0: all in every frame. None: 1 of a camera or stream, 0 of what is recorded.
        max_faces: in one frame, the best first; 0: all.
        quality_gate: faces too small, cut off, turned away, dark, bright or blurred to be read are `unsuitable`.
        mirrored: each face is read twice, once mirrored; None: in pictures, not in films.
        resting: whose resting face is taken off: a profile, what `fer-edge run --resting` takes, or subject -> file of
            one; None: nobody's.
        subjects: of a study, whose faces these are; empty: nobody is told apart.
        assign: how they get their faces: see Seating.
    """

    bundle: Bundle | Path | str | None = None
    device: str = "cpu"
    precision: str = "auto"
    fallback: str = "none"
    threads: int | None = None
    detector: str = "auto"
    detect_width: int = 320
    smoother: str = "exponential"
    detect_every: int = 0
    infer_every_s: float = 0.0
    faces_per_frame: int | None = None
    max_faces: int = 0
    quality_gate: bool = True
    mirrored: bool | None = None
    resting: RestingProfile | Path | str | Mapping[str, Path] | None = None
    subjects: tuple[str, ...] = ()
    assign: str = "seat"


DEFAULTS = PipelineOptions()


@dataclass(frozen=True)
class BuiltPipeline:
    """A pipeline, and what belongs to it.

    Attributes:
        classifier: what classifies in it, to be closed by whoever asked for it.
        notice: a line to tell people, or "".
        another: makes a further pipeline around the same classifier, with detector and memory of faces of its own.
        kept: the classifier serves other runs too, and is not to be closed after this one.
    """

    pipeline: Pipeline
    classifier: Classifier
    notice: str
    another: Callable[[], Pipeline]
    kept: bool = False


def build_pipeline(options: PipelineOptions) -> BuiltPipeline:
    """Open bundle, detector and device, and put them in a row; threads are limited in the whole process.

    Raises:
        BundleError kinds, UsageError, InputError: something is not there or does not fit; DeviceNotFound: the device is
        absent, and nothing stands in; DeviceFailed: it does not start.
    """
    profile = find_profile(options.device)
    bundle = bundle_for(profile, options.bundle, lazily=True)
    threads = threads_for(profile, bundle, options.threads)
    limit_threads(threads)
    detector, notice = open_detector(options.detector, options.detect_width)
    classifier = open_device(profile, bundle, precision=options.precision, threads=threads, fallback=options.fallback)
    told = "; ".join(line for line in (notice, classifier.notice) if line)

    def row(detector: Detector) -> Pipeline:
        seating = Seating(options.subjects, options.assign) if options.subjects else None
        resting = _resting(options.resting, bundle, detector, classifier, seating)
        faces = MirroredClassifier(classifier) if options.mirrored else classifier
        return _row(detector, faces, options, resting, seating)

    try:
        first = row(detector)
    except BaseException:
        classifier.close()
        raise
    return BuiltPipeline(first, classifier, told, lambda: row(open_detector(options.detector, options.detect_width)[0]))


def pipeline_around(
    classifier: FaceClassifier, options: PipelineOptions = DEFAULTS, detector: Detector | None = None
) -> Pipeline:
    """A pipeline around what classifies already, whose own affair are bundle, device, precision, fallback and threads.

    No resting face is taken off. `detector` is one that is open already; else the one that the options name is opened.

    Raises UsageError, DeviceNotFound, BundleDamaged: the detector cannot be opened.
    """
    found = detector or open_detector(options.detector, options.detect_width)[0]
    return _row(found, MirroredClassifier(classifier) if options.mirrored else classifier, options)


class KeptModels:
    """Opens detector and model once, for one run after the other; `built` stands where `build_pipeline` does."""

    def __init__(self, options: PipelineOptions) -> None:
        """Open them; arguments and errors as `build_pipeline`."""
        self._options, self.first = options, build_pipeline(options)

    def built(self, options: PipelineOptions) -> BuiltPipeline:
        """A new pipeline, with a memory of faces of its own, around what is open; only `mirrored` may differ."""
        classifier = self.first.classifier
        own = replace(self._options, mirrored=options.mirrored)
        pipeline = pipeline_around(classifier, own, self.first.pipeline.detector)
        return BuiltPipeline(pipeline, classifier, "", self.first.another, kept=True)

    def close(self) -> None:
        """Close the model."""
        self.first.classifier.close()


def _resting(
    words: RestingProfile | Path | str | Mapping[str, Path] | None,
    bundle: Bundle,
    detector: Detector,
    classifier: Classifier,
    seating: Seating | None,
) -> RestingFace | None:
    """The resting face that is asked for; raises as `open_resting`."""
    if words is None:
        return None
    from .resting import open_resting, subjects_rest  # with sources and sessions, which a pipeline does without

    if isinstance(words, Mapping):
        return subjects_rest(words, seating or Seating(tuple(words)), bundle)
    return open_resting(words, bundle, detector, classifier)


def _row(
    detector: Detector,
    classifier: FaceClassifier,
    options: PipelineOptions,
    resting: RestingFace | None = None,
    seating: Seating | None = None,
) -> Pipeline:
    return Pipeline(
        detector,
        classifier,
        open_smoother(options.smoother, classifier.labels),
        detect_every=options.detect_every,
        infer_every_s=options.infer_every_s,
        faces_per_frame=options.faces_per_frame or 0,
        max_faces=options.max_faces,
        resting=resting,
        quality_gate=options.quality_gate,
        seating=seating,
    )
