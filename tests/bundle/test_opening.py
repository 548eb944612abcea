"""What is refused before a bundle is believed: bytes that no hash covers, and a .zip that is not what it says."""

from __future__ import annotations

import json
import random
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fer_edge.bundle import LABELS, describe_file, open_bundle
from fer_edge.bundle.opening import zipped
from fer_edge.bundle.opening.external_data import external_files
from fer_edge.devices.update.pack import unpacked
from fer_edge.errors import BundleDamaged, BundleError
from fer_edge.runtime.inference.classifier import Classifier
from support.bundles import SIDE, small_bundle

Zip = zipfile.ZipFile


@pytest.fixture
def small(tmp_path: Path) -> Path:
    pytest.importorskip("onnx", reason="needs the export extra")
    return small_bundle(tmp_path / "small", LABELS, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])


def save_outside(folder: Path, location: str) -> None:
    """Move the weights of a bundle's graph into a file of their own, and hash the graph anew."""
    import onnx

    model = onnx.load(folder / "model.onnx")
    tensor = next(t for t in model.graph.initializer if t.name == "always")
    values = onnx.numpy_helper.to_array(tensor)
    tensor.ClearField("float_data")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", str(values.nbytes))):
        tensor.external_data.add(key=key, value=value)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / location).write_bytes(values.tobytes())
    describe(folder)


def describe(folder: Path, **more: object) -> None:
    """Write the graph's hash and size into the manifest, after whatever else its entry is to say."""
    manifest = json.loads((folder / "bundle.json").read_text())
    entry = manifest["artifacts"][0]
    entry.update(more)
    entry["sha256"], entry["size"] = describe_file(folder / entry["path"])
    (folder / "bundle.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "./weights.bin"])
def test_weights_that_no_hash_covers_are_refused(small: Path, location: str) -> None:
    save_outside(small, location)
    with pytest.raises(BundleDamaged, match=r"model\.onnx reads '.*weights\.bin', which no hash"):
        open_bundle(small)


def test_weights_that_a_companion_lists_are_covered(small: Path) -> None:
    save_outside(small, "weights.bin")
    describe(small, companions={"weights.bin": describe_file(small / "weights.bin")[0]})
    bundle = open_bundle(small)
    logits = Classifier(bundle, bundle.reference).logits(np.zeros((1, SIDE, SIDE, 3), np.uint8))
    assert logits[0, 0] == pytest.approx(1.0)
    (small / "weights.bin").write_bytes(np.full(len(LABELS), 15, np.float32).tobytes())
    with pytest.raises(BundleDamaged, match=r"weights\.bin does not have the hash"):
        open_bundle(small)


def test_a_name_is_no_path(small: Path) -> None:
    import onnx

    model = onnx.load(small / "model.onnx")
    model.graph.node[0].name = model.doc_string = "location"
    (small / "model.onnx").write_bytes(model.SerializeToString())
    describe(small)
    assert open_bundle(small).labels == LABELS


def test_every_place_of_a_graph_that_can_hold_a_tensor(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx", reason="needs the export extra")
    file = tmp_path / "model.onnx"

    def outside(name: str) -> object:
        tensor = onnx.TensorProto(name=name, data_type=1, dims=[1], data_location=onnx.TensorProto.EXTERNAL)
        tensor.external_data.add(key="location", value=name)
        return tensor

    attribute = onnx.AttributeProto
    inner = onnx.GraphProto(initializer=[outside("subgraph")])
    sparse = onnx.SparseTensorProto(values=outside("values"), indices=outside("indices"))
    attributes = [
        attribute(name="t", t=outside("constant")),
        attribute(name="ts", tensors=[outside("one of many")]),
        attribute(name="g", g=inner),
        attribute(name="gs", graphs=[onnx.GraphProto(initializer=[outside("one of many graphs")])]),
        attribute(name="s", sparse_tensor=onnx.SparseTensorProto(values=outside("sparse attribute"))),
        attribute(name="ss", sparse_tensors=[onnx.SparseTensorProto(values=outside("sparse attributes"))]),
    ]
    function = onnx.FunctionProto(node=[onnx.NodeProto(attribute=[attribute(name="f", t=outside("function"))])])
    function.attribute_proto.append(attribute(name="d", t=outside("default")))
    training = onnx.TrainingInfoProto(initialization=onnx.GraphProto(initializer=[outside("initialization")]))
    training.algorithm.initializer.append(outside("algorithm"))
    graph = onnx.GraphProto(node=[onnx.NodeProto(attribute=attributes)], initializer=[outside("initializer")])
    graph.sparse_initializer.append(sparse)
    model = onnx.ModelProto(graph=graph, functions=[function], training_info=[training])
    file.write_bytes(model.SerializeToString())
    assert external_files(file) == {
        *("subgraph", "values", "indices", "constant", "one of many", "one of many graphs", "sparse attribute"),
        *("sparse attributes", "function", "default", "initialization", "algorithm", "initializer"),
    }
    dice, data = random.Random(3), file.read_bytes()
    for _ in range(300):  # damage is refused, or read as something else; it ends nothing
        harmed = bytearray(data)
        harmed[dice.randrange(len(harmed))] = dice.randrange(256)
        file.write_bytes(harmed[: dice.randrange(1, len(harmed))])
        try:
            external_files(file)
        except ValueError:
            assert b"location" in file.read_bytes()


@pytest.mark.parametrize("path", ["model.xml", "model.onnx"])
def test_weights_that_openvino_reads_beside_a_file(small: Path, path: str) -> None:
    (small / "model.onnx").rename(small / path)
    (small / "model.bin").write_bytes(b"weights")
    describe(small, path=path, target="openvino")
    with pytest.raises(BundleDamaged, match=r"reads model\.bin, which no hash"):
        open_bundle(small)


@pytest.mark.parametrize("target", ["openvino", "onnx", "tensorrt"])
def test_formats_with_files_of_their_own_are_refused(small: Path, target: str) -> None:
    (small / "model.onnx").rename(small / "model.pdmodel")
    describe(small, path="model.pdmodel", target=target)
    with pytest.raises(BundleDamaged, match=r"model\.pdmodel is no .*\.onnx file"):
        open_bundle(small)


def archive_of(folder: Path, *, kind: int = zipfile.ZIP_DEFLATED) -> Path:
    archive = folder.with_suffix(".zip")
    with Zip(archive, "w", kind, compresslevel=1) as made:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            made.write(file, file.relative_to(folder))
    return archive


def refused(archive: Path, cache: Path, says: str) -> None:
    """It is refused, and nothing of it stays."""
    with pytest.raises(BundleDamaged, match=says):
        open_bundle(archive, cache)
    assert not list(cache.rglob("*"))


def test_a_zip_unpacks_to_what_its_manifest_lists(small: Path, tmp_path: Path) -> None:
    (small / "MODEL_CARD.md").write_text("# small")
    (small / "more").mkdir()
    (small / "more" / "junk").write_bytes(b"x" * 1000)
    opened = open_bundle(archive_of(small), tmp_path / "own")
    assert sorted(p.name for p in opened.folder.rglob("*")) == ["MODEL_CARD.md", "bundle.json", "model.onnx"]


def test_a_zip_that_unpacks_to_far_more_is_refused(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipped, "SMALL", 4 << 20)
    with (small / "model.onnx").open("wb") as file:
        file.truncate(zipped.SMALL + 1)
    describe(small)
    archive = archive_of(small)
    assert archive.stat().st_size < 1 << 20
    refused(archive, tmp_path / "own", "would unpack to 4 MiB, more than")


@pytest.mark.parametrize("size", [10, 1 << 40])
def test_a_zip_that_lies_about_sizes(small: Path, tmp_path: Path, size: int) -> None:
    """An entry that states less is cut off there; for one that states more there is no room."""
    with Zip(small.with_suffix(".zip"), "w", zipfile.ZIP_DEFLATED) as made:
        for name in ("bundle.json", "model.onnx"):
            made.write(small / name, name)
        made.getinfo("model.onnx").file_size = size
    refused(small.with_suffix(".zip"), tmp_path / "own", r"CRC|model\.onnx is|would unpack|not a readable")


def test_an_altered_file_in_a_zip_leaves_nothing(small: Path, tmp_path: Path) -> None:
    (small / "model.onnx").write_bytes(b"\0" * (small / "model.onnx").stat().st_size)
    refused(archive_of(small), tmp_path / "own", r"small\.zip/model\.onnx does not have the hash")


def link(made: Zip) -> None:
    entry = zipfile.ZipInfo("model.onnx")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    made.writestr(entry, "/etc/passwd")


def twice(made: Zip) -> None:
    with pytest.warns(UserWarning, match="Duplicate"):
        made.writestr("bundle.json", "{}")


ODD: dict[str, tuple[Callable[[Zip], object], str]] = {
    "a link": (link, "holds model.onnx as a link"),
    "twice": (twice, "holds bundle.json twice"),
    "capitals": (lambda made: made.writestr("BUNDLE.json", "{}"), "holds .* twice, or in small and in capital"),
    "file and folder": (lambda made: made.writestr("bundle.json/x", "{}"), "holds bundle.json twice"),
    "outside": (lambda made: made.writestr("../x", "{}"), "leads outside"),
    "absolute": (lambda made: made.writestr("/x", "{}"), "leads outside"),
    "windows": (lambda made: made.writestr("a\\b", "{}"), "leads outside"),
    "a long manifest": (lambda made: None, "has a bundle.json of .* bytes"),
}


@pytest.mark.parametrize("odd", ODD)
def test_odd_zips_are_refused(small: Path, tmp_path: Path, odd: str) -> None:
    put, says = ODD[odd]
    with Zip(tmp_path / "odd.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(
            "bundle.json", (small / "bundle.json").read_text() + " " * (2 << 20 if odd == "a long manifest" else 0)
        )
        put(made)
    refused(tmp_path / "odd.zip", tmp_path / "own", says)


@pytest.mark.parametrize("kind", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_cannot_be_bounded_are_refused(small: Path, tmp_path: Path, kind: int) -> None:
    refused(archive_of(small, kind=kind), tmp_path / "own", "packed in a way that is not taken here")


def test_an_encrypted_zip_says_so(small: Path, tmp_path: Path) -> None:
    archive = archive_of(small)
    data = bytearray(archive.read_bytes())
    for mark, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(mark)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(mark, at + 4)
    archive.write_bytes(data)
    refused(archive, tmp_path / "own", "is encrypted")


def test_a_zip_harmed_anywhere_is_refused_or_the_same(small: Path, tmp_path: Path) -> None:
    archive, dice = archive_of(small), random.Random(5)
    data, manifest = archive.read_bytes(), open_bundle(small).manifest
    for number in range(60):
        harmed = bytearray(data)
        harmed[dice.randrange(len(harmed))] ^= dice.randrange(1, 256)
        archive.write_bytes(harmed)
        try:
            assert open_bundle(archive, tmp_path / str(number)).manifest == manifest
        except BundleError:
            assert not list((tmp_path / str(number)).rglob("*"))


def test_a_copy_that_was_damaged_in_the_cache_is_unpacked_again(small: Path, tmp_path: Path) -> None:
    archive = archive_of(small)
    model = open_bundle(archive, tmp_path / "own").folder / "model.onnx"
    model.write_bytes(model.read_bytes()[:100])
    assert open_bundle(archive, tmp_path / "own").folder / "model.onnx" == model
    assert model.read_bytes() == (small / "model.onnx").read_bytes()


def test_an_update_by_a_zip_leaves_no_copy(small: Path, tmp_path: Path, own_cache: Path) -> None:
    archive = archive_of(small)
    with unpacked(archive, tmp_path / "incoming", lambda size: None) as folder:
        assert open_bundle(folder).labels == LABELS
    (small / "model.onnx").write_bytes(b"altered")
    with pytest.raises(BundleDamaged), unpacked(archive_of(small), tmp_path / "incoming", lambda size: None):
        pass
    assert not (tmp_path / "incoming").exists()
    assert not list(own_cache.rglob("*"))
