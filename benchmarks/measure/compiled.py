"""Google's own compiled test models for the Edge TPU: a first figure before anything was compiled here.

They lie in google-coral/test_data on GitHub (Apache-2.0). None could be fetched where this was written: the sums are
those of public build recipes, never checked against the files, and what has other bytes is refused and never measured.
ResNet50 and EfficientNetV2-B0 are left out: of the one no sum was found, of the other Google has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...bundle import Artifact, Bundle, InputSpec, Manifest, cache_folder, describe_file, save_bundle
from ...errors import DeviceNotFound
from ...runtime.vision.detectors.fetching import OFFLINE, fetch, offline
from ...runtime.vision.detectors.weights import Model, present

PREFIX = "google-"
"""Before the published table's name of a model."""
CLASSES = 1001
"""ImageNet's, and the background; nobody reads them, and a graph of more or fewer is timed all the same."""
_OLD, _NEW = "c21de4450f88a20ac5968628d375787745932a5a", "104342d2d3480b3e66203073dac24f4e2dbb4c41"
"""Commits of google-coral/test_data. The old one's sums are those of a Yocto recipe for Coral benchmarks, which names
no commit: another project states the same sum for a sister file. The new one's is that of an installer."""


@dataclass(frozen=True)
class Compiled:
    """A compiled model: where it is, and the pixels of its input's side."""

    model: Model
    size: int


def _registered(name: str, file: str, size: int, sha256: str, commit: str = _OLD) -> Compiled:
    url = f"https://github.com/google-coral/test_data/raw/{commit}/{file}"
    return Compiled(Model(PREFIX + name, file, sha256, "Apache-2.0", (url,)), size)


COMPILED: dict[str, Compiled] = {
    c.model.name: c
    for c in (
        _registered(
            "mobilenetv2",
            "mobilenet_v2_1.0_224_quant_edgetpu.tflite",
            224,
            "4315ee115507aab28c78809c0f384e5296527dd6a5dd53a1751b3eb9c91db6aa",
            _NEW,
        ),
        _registered(
            "mobilenetv1",
            "mobilenet_v1_1.0_224_quant_edgetpu.tflite",
            224,
            "15eba6787496c09d181791303572e051cc2e60547cad2a9e22c40409453ee0b0",
        ),
        _registered(
            "efficientnet-edgetpu-s",
            "efficientnet-edgetpu-S_quant_edgetpu.tflite",
            224,
            "a7fe60d5e50c4baac6df1d7c042e81f5af0d9a4462ec6b62402858178f1236a0",
        ),
        _registered(
            "efficientnet-edgetpu-m",
            "efficientnet-edgetpu-M_quant_edgetpu.tflite",
            240,
            "fa624d4bd90f1a9c4b205fa876876c9c51f217ac3cd6f6b67e05b71cebe38ce5",
        ),
        _registered(
            "efficientnet-edgetpu-l",
            "efficientnet-edgetpu-L_quant_edgetpu.tflite",
            300,
            "834eafb26b31dfe1c2b9ddf4f5bc3096491c32861ffbd787959e4c603dac3f2a",
        ),
        _registered(
            "inceptionv1",
            "inception_v1_224_quant_edgetpu.tflite",
            224,
            "1bf69c82819ee7f21a57096ac0a3a5968ded3cb148ba49b65b27390e48182e57",
        ),
        _registered(
            "inceptionv3",
            "inception_v3_299_quant_edgetpu.tflite",
            299,
            "aff3432403df57b3f0172f8553f9cf29b41fb7ee2391d1b0e9f740c261c13399",
        ),
        _registered(
            "inceptionv4",
            "inception_v4_299_quant_edgetpu.tflite",
            299,
            "bd1926ed63ff1f6c961823d3f96dc31dfe0ad87c6d439bb013e81898c9e42bd8",
        ),
    )
}
OFFER = (
    f"no compiler needed: fer-edge benchmark --device coral --model {PREFIX}mobilenetv2  # Google's own, fetched once"
)


def compiled_model(name: str, say: Callable[[str], None]) -> Bundle:
    """One of COMPILED as a bundle of that file alone, by the published table's name; fetched where it is not here.

    Raises DeviceNotFound: no place has it, or it must not be fetched; OutputError: the cache cannot be written.
    """
    compiled = COMPILED[name]
    if offline() and not present(compiled.model):
        raise DeviceNotFound(
            f"the model {name} is not in the cache",
            cause=f"{OFFLINE} forbids to fetch it",
            hint=f"download {compiled.model.urls[0]} elsewhere, then: fer-edge models add FILE",
        )
    file = fetch(compiled.model, say)
    artifact = Artifact(file.name, "edgetpu", "int8", *describe_file(file), report={"compiled": True})
    labels = tuple(f"class {i}" for i in range(CLASSES))
    manifest = Manifest(
        name.removeprefix(PREFIX),
        "1",
        labels,
        InputSpec(compiled.size),
        (artifact,),
        provenance={"weights": "imagenet", "source": compiled.model.urls[0]},
        licence=compiled.model.licence,
    )
    return save_bundle(cache_folder() / "benchmark-models" / name, manifest, {file.name: file})
