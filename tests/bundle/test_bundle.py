"""The contract: manifest, hashes, refusal of damage, and the one preprocessing function."""

from __future__ import annotations

import json
import os
import shutil
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fer_edge.bundle import (
    LABELS,
    Bundle,
    InputSpec,
    Manifest,
    default_bundle,
    face_crop,
    open_bundle,
    save_bundle,
    softmax,
    whole_image,
    write_text,
    writing,
)
from fer_edge.bundle.bundle import describe_file
from fer_edge.bundle.manifest import Artifact
from fer_edge.errors import (
    BundleDamaged,
    BundleError,
    BundleSchemaError,
    InputError,
    LabelMismatch,
    OutputError,
    UsageError,
)
from fer_edge.runtime.inference.classifier import Classifier
from support.altered_zips import ENCRYPTED, altered_zip
from support.golden_picture import GOLDEN, picture


@pytest.mark.parametrize("name", ["inside", "outside", "enlarged", "whole", "leaning"])
def test_crop_equals_the_golden_tensor(name: str) -> None:
    golden = np.load(GOLDEN)
    box = tuple(golden[f"{name}_box"])
    crop = face_crop(picture(), box, 32, int(golden[f"{name}_roll"]))
    assert crop.shape == (32, 32, 3)
    assert crop.dtype == np.uint8
    assert (crop == golden[name]).all()


def test_crop_of_the_same_size_changes_nothing() -> None:
    image = picture(40, 40)
    assert (whole_image(image, 40) == image).all()
    assert (face_crop(picture(), (10, 20, 16, 16), 16) == picture()[20:36, 10:26]).all()


def test_crop_keeps_flat_pictures_flat_and_takes_views() -> None:
    flat = np.full((50, 60, 3), 255, np.uint8)
    assert (face_crop(flat, (-30.5, 3.2, 100.7, 90), 24) == 255).all()
    image = picture()
    for roll in (0, 17):
        crop = face_crop(image, (1, 2, 50, 60), 20, roll)
        assert (face_crop(image[:, :, ::-1], (1, 2, 50, 60), 20, roll) == crop[:, :, ::-1]).all()
        assert crop.flags.c_contiguous


def test_what_crops_keep_is_bounded() -> None:
    """Faces of a video never have the same size twice, and lean ever differently: 25 MB of filters were once kept."""
    image, kept = picture(640, 480), []
    tracemalloc.start()
    for number in range(180):
        box = (number * 0.7, number * 0.3, 120 + number * 0.9, 118 + number * 0.8)
        face_crop(image, box, 112, number % 90 - 45)
        kept.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert kept[-1] < 4 << 20
    assert max(kept[90:]) < 1.2 * max(kept[:90])


@pytest.mark.parametrize("box", [(0, 0, 0, 10), (0, 0, 10, -1), (0, 0, float("nan"), 5), (0, 0, float("inf"), 5)])
def test_crop_refuses_empty_boxes(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(InputError, match="positive, finite size"):
        face_crop(picture(), box, 8)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)]
)
def test_crop_refuses_other_arrays(image: np.ndarray) -> None:
    with pytest.raises(InputError, match="uint8"):
        face_crop(image, (0, 0, 2, 2), 8)


def test_crop_copes_with_boxes_far_outside() -> None:
    crop = face_crop(picture(), (500, 500, 40, 40), 8)
    assert (crop == picture()[-1, -1]).all()


def test_softmax_sums_to_one_without_overflow() -> None:
    rows = softmax(np.array([[1000.0, 0.0, -1000.0], [1.0, 1.0, 1.0]], np.float32))
    assert rows.sum(axis=1) == pytest.approx([1, 1])
    assert rows[0, 0] == pytest.approx(1)


def test_shipped_bundle_keeps_its_promises(bundle: Bundle) -> None:
    assert bundle.labels == LABELS
    for precision in ("float16", "int8"):
        classifier = Classifier(bundle, bundle.artifact("onnx", precision))
        size = bundle.manifest.input.size
        logits = classifier.logits(np.zeros((1, size, size, 3), np.uint8))
        assert logits.shape == (1, 7)
        assert logits.dtype == np.float32


def test_normalisation_is_inside_the_graph(bundle: Bundle) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the export extra")
    model = onnx.load(str(bundle.path(bundle.artifact("onnx", "float16"))))
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 13)]
    (only,) = model.graph.input
    size = bundle.manifest.input.size
    assert only.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert [d.dim_value for d in only.type.tensor_type.shape.dim] == [1, size, size, 3]


def test_model_card_states_what_the_manifest_states(bundle: Bundle) -> None:
    from fer_edge.bundle.model_card import model_card

    assert (bundle.folder / "MODEL_CARD.md").read_text() == model_card(bundle.manifest)


def test_manifest_survives_a_round_trip(bundle: Bundle) -> None:
    assert Manifest.from_json(bundle.manifest.to_json()) == bundle.manifest


def test_truncated_model_is_refused(broken_bundle: Path) -> None:
    file = broken_bundle / "model.onnx"
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(BundleDamaged, match=r"model\.onnx is truncated: \d+ bytes instead of"):
        open_bundle(broken_bundle)


def test_altered_model_is_refused(broken_bundle: Path) -> None:
    file = broken_bundle / "onnx" / "model_int8.onnx"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(BundleDamaged, match=r"model_int8\.onnx does not have the hash"):
        open_bundle(broken_bundle)


def test_missing_model_is_refused(broken_bundle: Path) -> None:
    (broken_bundle / "model.onnx").unlink()
    with pytest.raises(BundleDamaged, match=r"model\.onnx is missing"):
        open_bundle(broken_bundle)


def edit(folder: Path, **changes: object) -> None:
    file = folder / "bundle.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def edit_reference(folder: Path, **changes: object) -> None:
    first, *others = json.loads((folder / "bundle.json").read_text())["artifacts"]
    edit(folder, artifacts=[{**first, **changes}, *others])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema": 99}, "does not state schema 1"),
        ({"mood": 1}, r"bundle\.json\.mood in the bundle's manifest is not a field"),
        ({"labels": ["angry", "angry"]}, "at least two different"),
        ({"labels": "angry"}, "must be a list of names"),
        ({"artifacts": []}, "at least one entry"),
        ({"artifacts": [{"path": "model.onnx"}]}, r"artifacts\[0\] in the bundle's manifest is incomplete"),
        ({"input": {"size": "big"}}, r"input\.size in the bundle's manifest must be a whole number"),
        ({"metrics": 3}, "must be an object"),
    ],
)
def test_foreign_manifests_are_refused(broken_bundle: Path, changes: dict[str, object], says: str) -> None:
    edit(broken_bundle, **changes)
    with pytest.raises(BundleSchemaError, match=says):
        open_bundle(broken_bundle)


@pytest.mark.parametrize("begin", [100, 0], ids=["cut short", "nested without end"])
def test_a_manifest_that_is_no_json_is_refused(broken_bundle: Path, begin: int) -> None:
    file = broken_bundle / "bundle.json"
    file.write_text(file.read_text()[:begin] or "[" * 100_000)
    with pytest.raises(BundleSchemaError, match="not valid JSON"):
        open_bundle(broken_bundle)


def test_labels_that_do_not_match_the_graph_are_refused(broken_bundle: Path) -> None:
    edit(broken_bundle, labels=["happy", "sad"])
    opened = open_bundle(broken_bundle)
    with pytest.raises(LabelMismatch, match="names 2 labels but its graph gives 7 logits"):
        Classifier(opened, opened.artifact("onnx", "int8"))


def test_a_graph_that_is_no_graph_is_refused(broken_bundle: Path) -> None:
    (broken_bundle / "model.onnx").write_bytes(b"not a graph")
    digest, size = describe_file(broken_bundle / "model.onnx")
    edit_reference(broken_bundle, sha256=digest, size=size)
    opened = open_bundle(broken_bundle)
    with pytest.raises(BundleDamaged, match="cannot be loaded by onnxruntime"):
        Classifier(opened, opened.artifact("onnx", "float16"))


def test_a_bundle_cannot_point_outside_itself(broken_bundle: Path) -> None:
    edit_reference(broken_bundle, path="../../etc/passwd")
    with pytest.raises(BundleDamaged, match="lies outside the bundle"):
        open_bundle(broken_bundle)


def test_what_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"there is no bundle\.json"):
        open_bundle(tmp_path / "nowhere")
    for content, why in (
        (b"PK\3\4 cut", r"not a readable \.zip"),
        (altered_zip("bundle.json", *ENCRYPTED), "is encrypted"),
        (altered_zip("bundle.json", 8, b"\x09\0"), "packed in a way that is not taken here"),
    ):
        (tmp_path / "file.zip").write_bytes(content)
        with pytest.raises(BundleDamaged, match=why):
            open_bundle(tmp_path / "file.zip")


def test_a_zip_is_the_same_bundle(bundle: Bundle, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "b"), "zip", bundle.folder))
    opened = open_bundle(archive)
    assert opened.manifest == bundle.manifest
    assert open_bundle(archive).folder == opened.folder


def test_a_zip_cannot_write_outside(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as zipped:
        zipped.writestr("../evil", "x")
        zipped.writestr("bundle.json", "{}")
    with pytest.raises(BundleDamaged, match="leads outside"):
        open_bundle(tmp_path / "b.zip")
    assert not (tmp_path.parent / "evil").exists()


def test_unknown_artifact_names_what_there_is(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="no openvino artifact in float16"):
        bundle.artifact("openvino", "float16")


def tiny_manifest(file: Path) -> Manifest:
    artifact = Artifact("model.onnx", "onnx", "float32", *describe_file(file))
    return Manifest("t", "1", LABELS, InputSpec(48), (artifact,))


def test_saving_is_all_or_nothing(tmp_path: Path) -> None:
    model = tmp_path / "m"
    model.write_bytes(b"abc")
    manifest = tiny_manifest(model)
    save_bundle(tmp_path / "out", manifest, {"model.onnx": model})
    model.write_bytes(b"abcd")
    with pytest.raises(BundleDamaged):
        save_bundle(tmp_path / "out", manifest, {"model.onnx": model})
    assert open_bundle(tmp_path / "out").manifest == manifest
    assert sorted(p.name for p in tmp_path.iterdir() if "out" in p.name) == ["out"]


def test_saving_never_replaces_what_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(UsageError, match="is not a bundle"):
        save_bundle(tmp_path / "mine", tiny_manifest(tmp_path / "mine" / "thesis.txt"), {})
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years"


def test_writing_leaves_the_old_file_when_it_fails(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_text(target, "old")

    def fail() -> None:
        with writing(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError("power")

    with pytest.raises(RuntimeError):
        fail()
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == ["a.txt"]
    assert target.read_text() == "old"


def test_writing_to_a_full_disk_is_one_clear_error(small_disk: Path) -> None:
    target = small_disk / "a.bin"
    write_text(target, "old")
    with pytest.raises(OutputError, match="No space left"), writing(target) as temporary:
        temporary.write_bytes(b"x" * (4 << 20))
    assert target.read_text() == "old"


def test_default_bundle_is_package_data() -> None:
    assert (default_bundle() / "bundle.json").is_file()


@pytest.mark.parametrize(("box", "size"), [((20, 12, 63, 63), 20), ((30.5, 25.25, 17.5, 14), 48)])
def test_crop_agrees_with_pillow_away_from_the_border(box: tuple[float, float, float, float], size: int) -> None:
    image_module = pytest.importorskip("PIL.Image")
    left, top, width, height = box
    smooth = np.asarray(
        image_module.fromarray(picture()).resize((120, 90)).filter(pytest.importorskip("PIL.ImageFilter").BoxBlur(2))
    )
    other = image_module.fromarray(smooth).resize(
        (size, size), image_module.Resampling.BILINEAR, box=(left, top, left + width, top + height)
    )
    inner = np.s_[2:-2, 2:-2]  # Pillow cuts its filter off at the box, we read on
    assert np.abs(face_crop(smooth, box, size).astype(int) - np.asarray(other))[inner].max() <= 1
