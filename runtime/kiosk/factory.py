"""Opens each part of a kiosk as its configuration says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from ...bundle import find_bundle, open_bundle
from ...devices.cpu import default_threads
from ...devices.profile import find_profile
from ..config import KioskConfig
from ..config.sections import Store
from ..inference.classifier import Classifier
from ..inference.open_device import open_device
from ..mqtt.publisher import MqttPublisher
from ..mqtt.settings import MqttSettings
from ..pipeline import Pipeline
from ..sources.capture import Capture
from ..sources.open import reader_for
from ..sources.state import State
from ..status.aggregate import Aggregate
from ..storage.history import KioskStore
from ..storage.retention import Limits
from ..vision.detectors import open_detector
from ..vision.resting_face import Baseline
from ..vision.smoothing import UNCERTAIN, open_smoother
from .rate_limit import Pace


def open_capture(config: KioskConfig, told: Callable[[State], None]) -> Capture:
    """The source, which is opened in a thread of its own and again whenever it is lost; raises UsageError."""
    source = config.source
    make = partial(reader_for, source.what, width=source.width, height=source.height, fps=source.fps, loop=source.loop)
    make()  # a name that is none is an error now, not a reason to try again
    return Capture(make, deadline_s=source.deadline_s, on_state=told)


def open_pipeline(config: KioskConfig) -> tuple[Pipeline, Classifier, str]:
    """Everything from the detector to the smoother, what classifies in it, and a line to tell people or "".

    Raises:
        BundleError kinds, UsageError; DeviceNotFound: the device is absent, and nothing stands in; DeviceFailed.
    """
    import cv2

    model, threads = config.model, config.model.threads or default_threads()
    cv2.setNumThreads(threads)
    bundle = open_bundle(find_bundle(Path(model.bundle) if model.bundle else None))
    profile = find_profile(model.device)
    detector, notice = open_detector(model.detector, model.detect_width)
    classifier = open_device(profile, bundle, precision=model.precision, threads=threads, fallback=model.fallback)
    pipeline = Pipeline(
        detector,
        classifier,
        open_smoother(model.smoother, bundle.labels),
        detect_every=model.detect_every,
        infer_every_s=between_inferences(config),
        max_faces=config.work.max_faces,
        baseline=Baseline(bundle.labels, config.baseline.seconds) if config.baseline.on else None,
    )
    return pipeline, classifier, notice


def between_inferences(config: KioskConfig) -> float:
    """Seconds between two inferences of a face; 0: in every frame."""
    return 1 / config.work.infer_fps if config.work.infer_fps else 0.0


def open_store(config: KioskConfig, labels: Sequence[str]) -> KioskStore:
    """The store; raises UsageError when another process has it."""
    store = config.store
    return KioskStore(store.folder, limits_of(store), store.commit_s, labels, store.keep_probabilities)


def limits_of(store: Store) -> Limits:
    """Of age and size."""
    return Limits(store.keep_days, store.keep_mib)


def open_broker(
    config: KioskConfig, labels: Sequence[str], device: str, obey: Callable[[str, bool], None]
) -> MqttPublisher | None:
    """The way to the broker, not started; None without one. Raises MissingExtra, InputError."""
    from ... import __version__

    mqtt = config.mqtt
    if not mqtt.host:
        return None
    settings = MqttSettings(**vars(mqtt))
    folder = config.store.folder.parent  # the store's own is for the store alone
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return MqttPublisher(
        settings,
        folder / "queue.db",
        obey,
        labels=(*labels, UNCERTAIN),
        title=config.web.title,
        about={"version": __version__, "model": device},
        offered=("pause", "record") if config.record.on else ("pause",),
    )


def aggregate_of(config: KioskConfig) -> Aggregate:
    """What may get out."""
    return Aggregate(config.privacy.least_group)


def pace_of(config: KioskConfig) -> Pace:
    """How much may be done."""
    return Pace(config.work.target_fps, config.work.cpu_percent / 100)
