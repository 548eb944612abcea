"""Opens each part of a kiosk as its configuration says."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial

from ...devices.profile import find_profile
from ...errors import OutputError
from ..build import PipelineOptions, build_pipeline
from ..config import KioskConfig
from ..config.sections import Source, Store
from ..inference.classifier import Classifier
from ..inference.open_device import bundle_for
from ..keeping.keeper import KeepDays
from ..mqtt.own_name import PLACEHOLDER, own_name
from ..mqtt.publisher import MqttPublisher
from ..pipeline import Pipeline
from ..refusals import Refusals
from ..rules.camera_rules import CameraRules, Outlet
from ..rules.webhook import WebhookSender, secret_of
from ..sources.capture import Capture
from ..sources.open import reader_for
from ..sources.source import State
from ..storage import queue_path, refused_path
from ..storage.clock import clock_synchronised
from ..storage.history import History
from ..storage.lock import Claim
from ..storage.retention import RetentionLimits
from ..vision.quality_gate import UNSUITABLE
from ..vision.smoothing import UNCERTAIN
from .commands import Requests, commands_of

log = logging.getLogger(__name__)


def open_capture(
    config: KioskConfig, source: Source, told: Callable[[State], None], on_news: Callable[[], None]
) -> Capture:
    """A source, which is opened in a thread of its own and again whenever it is lost; raises UsageError.

    Args:
        told, on_news: see `Capture`.
    """
    make = partial(reader_for, source.what, width=source.width, height=source.height, fps=source.fps, loop=source.loop)
    make()  # a name that is none is an error now, not a reason to try again
    refusals = Refusals(refused_path(config.store.folder, source.name), source.what)
    return Capture(make, deadline_s=source.deadline_s, refusals=refusals, on_state=told, on_news=on_news)


def open_pipelines(config: KioskConfig, count: int) -> tuple[list[Pipeline], Classifier]:
    """Everything from the detector to the smoother, for so many cameras, and what classifies for all of them.

    Raises BundleError kinds, UsageError; DeviceNotFound: the device is absent, and nothing stands in; DeviceFailed.
    """
    model = config.model
    built = build_pipeline(
        PipelineOptions(
            **{k: v for k, v in vars(model).items() if k not in ("bundle", "tune")},  # its keys are named alike
            bundle=model.bundle or None,
            infer_every_s=between_inferences(config),
            faces_per_frame=config.work.faces_per_frame,
            max_faces=config.work.max_faces,
            resting=f"own:{config.baseline.seconds:g}s" if config.baseline.on else None,
        )
    )
    if built.notice:
        log.warning(built.notice)
    log.info("the detector %s serves", built.pipeline.detector.name)
    return [built.pipeline, *(built.another() for _ in range(count - 1))], built.classifier


def tune_model(config: KioskConfig) -> None:
    """At the first start on a processor, time the ways to run the model there.

    Raises UsageError: another kiosk has the store, whose work the timing would disturb; BundleError, DeviceNotFound.
    """
    from ..inference.tune import tune_once

    profile = find_profile(config.model.device)
    if not (config.model.tune and profile.precision == config.model.precision == "auto"):
        return
    with ExitStack() as held:
        with suppress(OutputError):  # a folder that cannot be written is the history's matter
            held.callback(Claim(config.store.folder).release)
        tune_once(bundle_for(profile, config.model.bundle or None, lazily=True), log.info)


def between_inferences(config: KioskConfig) -> float:
    """Seconds between two inferences of a face; 0: in every frame."""
    return 1 / config.work.infer_fps if config.work.infer_fps else 0.0


def open_history(config: KioskConfig, labels: Sequence[str]) -> History:
    """The history; raises UsageError when another process writes it."""
    store = config.store
    return History(store.folder, retention_of(store), store.commit_s, labels, store.keep_probabilities)


def retention_of(store: Store) -> RetentionLimits:
    """Limits of age and size."""
    return RetentionLimits(store.keep_days, store.keep_mib)


def open_broker(
    config: KioskConfig, camera: str, labels: Sequence[str], device: str, requests: Requests
) -> MqttPublisher:
    """A camera's way to the broker, not started; raises MissingExtra, InputError.

    Each camera has its own, so that its topics, its queue and its entry in Home Assistant are those of one kiosk.
    """
    from ... import __version__

    title, topic = config.web.title, own_topic(config)
    mqtt = replace(config.mqtt, topic=f"{topic}/{camera}" if camera else topic)
    queue = queue_path(config.store.folder, camera)
    queue.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return MqttPublisher(
        mqtt,
        queue,
        requests.ask,
        on_mark=partial(requests.mark, source="mqtt") if config.record.on else None,
        labels=(*labels, UNCERTAIN, UNSUITABLE),
        title=f"{title} {camera}".rstrip(),
        about={"version": __version__, "model": device},
        offered=commands_of(config),
    )


def own_topic(config: KioskConfig) -> str:
    """The topic below which all of this kiosk lies, with its own name filled in."""
    return config.mqtt.topic.replace(PLACEHOLDER, own_name(config.store.folder))


def open_webhook(config: KioskConfig) -> WebhookSender | None:
    """Where rules are posted to, if one wants that; raises InputError."""
    if not any(rule.webhook for rule in config.rule):
        return None
    return WebhookSender(config.webhook, secret_of(config.webhook))


def rules_of(
    config: KioskConfig, camera: str, labels: Sequence[str], broker: MqttPublisher | None, hook: WebhookSender | None
) -> CameraRules:
    """The rules before a camera, and whom they tell; raises UsageError for a label that the bundle does not have."""
    outlets: dict[str, Outlet] = {"webhook": hook.send} if hook else {}
    if broker:
        outlets["mqtt"] = broker.tell
    return CameraRules(config.rule, labels, outlets, camera, clock_synchronised)


def keep_days_of(config: KioskConfig) -> KeepDays:
    """How long what is kept may stay."""
    return KeepDays(config.store.keep_days, config.record.keep_days, config.record.folder)


def rate_of(config: KioskConfig) -> tuple[float, float]:
    """Frames a second and share of the processor's cores that are allowed; see RateLimit."""
    return config.work.target_fps, config.work.cpu_percent / 100
