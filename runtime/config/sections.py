"""The configuration as the kiosk's parts take it: a frozen dataclass a section, a documented field a key."""

# ruff: noqa: RUF009  (key() is a dataclasses.field)
from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from ...toml_schema import about, key
from ..masking import masked
from ..mqtt.settings import MqttSettings
from ..rules.rule import Rule
from ..rules.webhook import WebhookSettings
from ..web.settings import NOTICE, WebSettings
from .declaration import EXCEPTIONS, KINDS


@dataclass(frozen=True)
class Place:
    """Where the kiosk stands and what for: declared by whoever runs it, before it runs."""

    name: str = key("", "where it stands, as the page and the notice say it", high=100, reload=True)
    kind: str = key("", "what sort of place that is", choices=KINDS, reload=True)
    purpose: str = key("", "what its figures are used for", high=300, reload=True)
    purpose_exception: str = key(
        "", "the reason that Art. 5(1)(f) of the EU AI Act excepts, if it is one", choices=EXCEPTIONS, reload=True
    )
    declared: date | None = key(None, "when this was declared; `fer-edge config init` writes it", reload=True)


@dataclass(frozen=True)
class Source:
    """Where pictures come from; one table a camera."""

    name: str = key(
        "",
        "of the camera; where there are several, each needs its own",
        pattern=r"[A-Za-z0-9_-]{0,32}",
        words="up to 32 letters, digits, _ and -",
    )
    what: str = key("camera:0", "camera:N, a stream's URL, a video file or demo", low=1, high=1000, show=masked)
    fps: float = key(0.0, "frame rate asked of a camera; 0: its own", "frames a second", high=240)
    width: int = key(640, "width asked of a camera; 0: its own", "pixels", high=8192)
    height: int = key(480, "height asked of a camera; 0: its own", "pixels", high=8192)
    loop: bool = key(False, "a file begins anew at its end")
    deadline_s: float = key(
        5.0, "without a frame for so long, the source is opened again", "seconds", low=0.5, high=300
    )


@dataclass(frozen=True)
class Model:
    """What looks at the pictures."""

    bundle: str = key("", 'a bundle\'s path or name; "": the one inside fer-edge', high=1000)
    device: str = key("cpu", "a name from `fer-edge devices`, or the path of a profile", low=1)
    precision: str = key(
        "auto", "of the artifact; auto: what the device's profile says", choices=("auto", "float32", "float16", "int8")
    )
    fallback: str = key("none", "who stands in, visibly, while the device is away", choices=("none", "cpu"))
    detector: str = key(
        "auto", "what finds faces; auto: YuNet, fetched once, else Haar", choices=("auto", "yunet", "haar")
    )
    detect_width: int = key(
        320, "faces are sought in pictures of this width; 0: as they come, else at least 64", "pixels", high=4096
    )
    detect_every: int = key(
        0,
        "the detector sees the whole of every n-th frame, and between only where faces are; 0: often enough to "
        "find a new face within 0.3 s",
        "frames",
        high=100,
    )
    quality_gate: bool = key(True, "faces that cannot be read are told as unsuitable, and not guessed")
    smoother: str = key(
        "exponential", "how a face's labels are steadied over time", choices=("exponential", "majority")
    )
    tune: bool = key(True, "at the first start, time what is installed on the processor for a second each")
    threads: int = key(
        0, "of the processor, for the model and the detector; 0: as tuned, else up to four", "threads", high=64
    )


@dataclass(frozen=True)
class Work:
    """How much the kiosk may do."""

    target_fps: float = key(
        0.0, "frames looked at, at most; 0: as many as come", "frames a second", high=240, reload=True
    )
    cpu_percent: float = key(
        0.0, "processor time, at most, 100 being one core; 0: no cap", "percent", high=6400, reload=True
    )
    infer_fps: float = key(
        10.0, "a face is classified so often, at most; 0: in every frame", "times a second", high=240, reload=True
    )
    faces_per_frame: int = key(
        1,
        "of several faces so many are classified a frame, in the mean, all together; each twice a second at least; "
        "0: all in every frame",
        "faces",
        high=100,
        reload=True,
    )
    max_faces: int = key(10, "faces looked at in one frame, at most, the best first", "faces", low=1, high=100)
    give_up_s: float = key(
        25.0,
        "without a picture or an answer for so long, it ends, and systemd starts it anew",
        "seconds",
        low=2,
        high=86400,
    )


@dataclass(frozen=True)
class Store:
    """What is kept, where, and for how long."""

    folder: Path = key(
        Path("/var/lib/fer-edge/store"),
        "for the store alone, made when missing; the broker's queue and the mark of a pause lie beside it",
    )
    keep_days: float = key(30.0, "older observations are removed; 0: kept at any age", "days", high=36500, reload=True)
    keep_mib: float = key(
        512.0, "the oldest are removed beyond this size; 0: any size", "MiB", high=1048576, reload=True
    )
    commit_s: float = key(
        1.0, "between two writes: at most so much is lost at a power cut", "seconds", low=0.1, high=60
    )
    keep_probabilities: bool = key(False, "keep each label's probability beside the label that was shown")


@dataclass(frozen=True)
class Record:
    """Sessions recorded on request, from the page or the broker; each is a folder for `fer-edge report`."""

    on: bool = key(False, "they may be asked for")
    folder: Path = key(Path("/var/lib/fer-edge/sessions"), "where they go; made when missing")
    video: bool = key(False, "with an annotated video: pictures of people on disk")
    minutes: float = key(10.0, "the longest one", "minutes", low=0.1, high=1440)
    keep_days: float = key(7.0, "older ones are removed; 0: kept at any age", "days", high=36500)


@dataclass(frozen=True)
class Privacy:
    """What people before the camera are told, and what is told of them."""

    least_group: int = key(
        3, "with fewer faces, nothing about them leaves the kiosk", "faces", low=1, high=100, reload=True
    )
    preview: bool = key(False, "show the live picture on the web page; needs web.token_file")
    notice: str = key(
        NOTICE,
        "what the page and the sign tell people; Art. 50(3) of the EU AI Act asks for it",
        low=1,
        high=1000,
        reload=True,
    )
    pause_button: str = key(
        "",
        'a button that pauses the kiosk, such as gpiochip0:17; "": none',
        pattern=r"(gpiochip\d{1,3}:\d{1,3})?",
        words="a GPIO chip and line such as gpiochip0:17",
    )


@dataclass(frozen=True)
class Baseline:
    """The resting face of each person in view, learnt from what they mostly show, is taken off. In memory only."""

    on: bool = key(False, "use it")
    seconds: float = key(
        60.0, "that a face is watched before its resting face counts in full", "seconds", low=1, high=3600
    )


@dataclass(frozen=True)
class Log:
    """What is told to the journal."""

    level: str = key(
        "info", "the least important that is told", choices=("debug", "info", "warning", "error"), reload=True
    )


@dataclass(frozen=True)
class KioskConfig:
    """The whole configuration; without arguments, the defaults, which still lack a declared place."""

    place: Place = field(default_factory=Place)
    source: tuple[Source, ...] = field(default_factory=lambda: (Source(),), metadata=about(lone=True))
    model: Model = field(default_factory=Model)
    work: Work = field(default_factory=Work)
    store: Store = field(default_factory=Store)
    record: Record = field(default_factory=Record)
    privacy: Privacy = field(default_factory=Privacy)
    baseline: Baseline = field(default_factory=Baseline)
    mqtt: MqttSettings = field(default_factory=MqttSettings)
    web: WebSettings = field(default_factory=WebSettings)
    rule: tuple[Rule, ...] = field(default=(), metadata=about(lone=True))
    webhook: WebhookSettings = field(default_factory=WebhookSettings)
    log: Log = field(default_factory=Log)

    @property
    def cameras(self) -> dict[str, Source]:
        """The sources by name, in their order; of a lone one it may be empty."""
        return {source.name: source for source in self.source}
