"""The whole pipeline, the published one against ours, in one interleaved run.

The published pipeline is the thesis's live script: Haar on every full frame, the face scaled to 256 x 256, float32
ResNet-18 in PyTorch eager mode, one-second majority. Its time is compared here, not its accuracy,
so its weights are random.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bundle import LABELS, Image, default_bundle, open_bundle, softmax
from ...runtime.build import PipelineOptions, build_pipeline, pipeline_around
from ...runtime.pipeline import Pipeline
from ...runtime.sources.video import VideoSource
from ...runtime.types import Face, Frame

OURS = ("default", "pico")
STAGES = ("capture", "detect", "crop", "infer", "smooth")
WIDTH, HEIGHT = 640, 480
SIDE = 256


class TorchEager:
    """ResNet-18 in PyTorch, float32, eager, one thread; stands where a Classifier does."""

    labels = LABELS

    def __init__(self) -> None:
        """Build the network with random weights; raises MissingExtra."""
        from ...train.network import build_network
        from ...train.recipe import load_recipe
        from ...train.torch_import import import_torch

        self._torch = import_torch()
        self._torch.set_num_threads(1)
        self._network = build_network(load_recipe("published")).eval()

    def describe(self) -> dict[str, Any]:
        """See Classifier."""
        return {"backend": "torch eager", "version": self._torch.__version__, "device": "CPU", "threads": 1}

    def idle(self) -> None:
        """See Classifier; nothing to look after."""

    def crop(self, bgr: Image, face: Face) -> Image:
        """The box, cut at the border and scaled by OpenCV, as the published script did."""
        from ...opencv import cv2

        left, top, width, height = (round(v) for v in face.box)
        part = bgr[max(0, top) : top + height, max(0, left) : left + width, ::-1]
        return np.asarray(cv2.resize(part, (SIDE, SIDE)), np.uint8)

    def probabilities(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See Classifier."""
        with self._torch.no_grad():
            return softmax(self._network(self._torch.from_numpy(crops)).numpy())


@dataclass(frozen=True)
class Round:
    """One pass over the clip: frames per second, and milliseconds a frame in each stage."""

    fps: float
    stage_ms: dict[str, float]


def published() -> Pipeline:
    """The published pipeline."""
    return pipeline_around(
        TorchEager(),
        PipelineOptions(detector="haar", detect_width=0, smoother="majority", detect_every=1, quality_gate=False),
    )


def default(bundle: str | None = None) -> Pipeline:
    """What `fer-edge run` does, on one thread; with the default bundle, or this one."""
    return build_pipeline(PipelineOptions(bundle=bundle, threads=1, detector="yunet")).pipeline


def one_pass(make: Callable[[], Pipeline], clip: Path) -> Round:
    """Run a pipeline over the clip, scaled to WIDTH x HEIGHT while it is read; loading is not counted."""
    pipeline = make()
    source = VideoSource(clip)
    start = perf_counter()
    tally = pipeline.tally
    frames = _scaled(source)
    while True:
        with tally.timing("capture"):
            frame = next(frames, None)
        if frame is None:
            break
        pipeline.process(frame)
    seconds = perf_counter() - start
    source.close()
    return Round(tally.frames / seconds, {s: 1000 * tally.seconds[s] / tally.frames for s in STAGES})


def _scaled(source: VideoSource) -> Iterator[Frame]:
    from ...opencv import cv2

    for frame in source:
        yield Frame(frame.index, frame.time_s, np.asarray(cv2.resize(frame.image, (WIDTH, HEIGHT)), np.uint8))


def compare(clip: Path, rounds: int) -> dict[str, list[Round]]:
    """Both pipelines in turn, ours with the bundle pico, too, `rounds` times each, after one uncounted round."""
    from ...opencv import cv2

    cv2.setNumThreads(1)
    pipelines: dict[str, Callable[[], Pipeline]] = {
        "published": published,
        "default": default,
        "pico": partial(default, "pico"),
    }
    results: dict[str, list[Round]] = {name: [] for name in pipelines}
    for i in range(rounds + 1):
        for name, make in pipelines.items():
            done = one_pass(make, clip)
            if i:
                results[name].append(done)
                print(f"round {i}: {name} {done.fps:.1f} frames/s", flush=True)
    return results


def markdown(results: dict[str, list[Round]], clip: str) -> str:
    """A section of docs/benchmarks.md, from measured rounds alone."""
    ratios, pico = ([d.fps / p.fps for p, d in zip(results["published"], results[way], strict=True)] for way in OURS)
    rows = []
    for stage in STAGES:
        cells = [statistics.median(r.stage_ms[stage] for r in results[way]) for way in ("published", "default")]
        ratio = f"{cells[0] / cells[1]:.1f}" if cells[1] > 0.05 else "-"
        rows.append(f"| {stage} | {cells[0]:.2f} | {cells[1]:.2f} | {ratio} |")
    totals = [1000 / statistics.median(r.fps for r in results[way]) for way in ("published", "default")]
    median = statistics.median(ratios)
    side = open_bundle(default_bundle()).manifest.input.size
    pixels = (SIDE / side) ** 2
    return f"""One thread. Clip: {clip}, scaled to {WIDTH} x {HEIGHT}. {len(ratios)} rounds of each in turn, in one
process; milliseconds are medians over the rounds.

**The default pipeline is {median:.1f} times as fast as the published one** ({min(ratios):.1f} to {max(ratios):.1f} over
the rounds), with the bundle pico {statistics.median(pico):.1f} times ({min(pico):.1f} to {max(pico):.1f}).

Published: Haar cascade on every full frame, float32 ResNet-18 at {SIDE} x {SIDE} in PyTorch eager mode, majority of a
second.
Default: YuNet at 320 pixels' width, the int8 bundle in ONNX Runtime, exponential smoothing.

| ms a frame | published | default | ratio |
|---|---|---|---|
{chr(10).join(rows)}
| whole | {totals[0]:.2f} | {totals[1]:.2f} | {median:.1f} |

Of its time, the published pipeline spends {_share(results["published"])}; the default one {_share(results["default"])}.
Of the gain in inference, a factor of {pixels:.1f} is fewer pixels ({side} against {SIDE}, which 48-pixel training
pictures do not need); int8 and ONNX Runtime are the rest.
"""


def _share(rounds: list[Round]) -> str:
    spent = {s: statistics.median(r.stage_ms[s] for r in rounds) for s in STAGES}
    total = sum(spent.values())
    return ", ".join(
        f"{v / total:.0%} in {s}" for s, v in sorted(spent.items(), key=lambda kv: -kv[1]) if v / total > 0.02
    )
