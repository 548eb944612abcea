"""bundle.json: what a bundle says of itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ..errors import BundleSchemaError
from ..toml_schema import Fault, about, build

SCHEMA = 1
"""The newest manifest layout this version reads and writes."""

MANIFEST, CARD = "bundle.json", "MODEL_CARD.md"
"""Files of a bundle beside its artifacts."""


@dataclass(frozen=True)
class InputSpec:
    """What the graph takes: one face crop, uint8 RGB, NHWC, 0..255, `size` x `size` pixels.

    `normalise` records what the graph does inside, for people; no caller applies it.
    """

    size: int
    color: str = "RGB"
    layout: str = "NHWC"
    dtype: str = "uint8"
    normalise: str = ""


@dataclass(frozen=True)
class Artifact:
    """One runnable file of a bundle.

    Attributes:
        path: file name inside the bundle, with forward slashes.
        target: what runs it: onnx, openvino, edgetpu, tensorrt, rknn, ethos-u, hailo.
        precision: float32, float16 or int8; how the weights are stored.
        sha256: of the file, in hex.
        size: of the file, in bytes.
        input_dtype: uint8; float32 (0..255) or int8 (the pixel less 128) where the consumer knows no uint8.
        companions: further files that belong to it, such as the weights of an IR: path -> SHA-256.
        built_with: library versions that made it.
        calibration: what quantisation saw: number of images, source and digest.
        parity: agreement with `model.onnx`: relative logit error, share of equal labels.
        metrics: accuracy (0..1) and related figures on `metrics["set"]`.
        report: what the target's own compiler, or our check in its place, said of it.
    """

    path: str
    target: str
    precision: str
    sha256: str
    size: int
    input_dtype: str = "uint8"
    companions: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    built_with: Mapping[str, str] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> tuple[str, str, str]:
        """Target, precision and chip: a bundle has one artifact of each."""
        return (self.target, self.precision, str(self.report.get("chip", "")))

    @property
    def files(self) -> tuple[str, ...]:
        """Its own file and its companions."""
        return (self.path, *self.companions)


@dataclass(frozen=True)
class Manifest:
    """Everything bundle.json holds; `schema` is written first so that any reader can refuse early."""

    name: str
    version: str
    labels: tuple[str, ...] = field(metadata=about(low=1, words="names"))
    input: InputSpec
    artifacts: tuple[Artifact, ...]
    metrics: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    licence: str = ""

    @property
    def for_speed(self) -> bool:
        """Whether it is to be timed alone: its weights are random, or read no faces."""
        return self.provenance.get("weights") in ("random", "imagenet")

    def to_json(self) -> str:
        """The manifest as it is written to disk."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1, ensure_ascii=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """Read a manifest.

        Raises BundleSchemaError: not JSON, another schema, or fields missing, unknown or of a wrong kind.
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BundleSchemaError(
                f"bundle.json is not valid JSON ({error})",
                cause="the file was cut short or edited by hand",
                hint="copy the bundle again from where it came",
            ) from None
        if not isinstance(data, dict) or data.pop("schema", None) != SCHEMA:
            raise BundleSchemaError(
                f"bundle.json does not state schema {SCHEMA}",
                cause="the bundle was made by another version of fer-edge, or is no bundle",
                hint="use the fer-edge that made it, or export it anew with this one",
            )
        manifest = build(cls, data, whole="bundle.json", wrong=_fault)
        if not manifest.artifacts:
            raise _wrong("artifacts", "must be a list with at least one entry")
        if len(set(manifest.labels)) != len(manifest.labels) or len(manifest.labels) < 2:
            raise _wrong("labels", "must name at least two different expressions")
        return manifest


def _fault(fault: Fault) -> BundleSchemaError:
    where = fault.name if len(fault.keys) > 1 else f"bundle.json.{fault.name}".rstrip(".")
    what = fault.what.replace("a table", "an object", 1)  # as JSON calls it
    what = {"unknown": "is not a field this version knows", "missing": f"is incomplete ({what})"}.get(fault.kind, what)
    return _wrong(where, what)


def _wrong(where: str, what: str) -> BundleSchemaError:
    return BundleSchemaError(
        f"{where} in the bundle's manifest {what}",
        cause="the bundle was made by another version of fer-edge, or edited by hand",
        hint="fer-edge bundle check BUNDLE",
    )
