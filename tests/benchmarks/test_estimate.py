"""Counting a graph, the fit and its leave-one-out error, and what an estimate says and does not say."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fer_edge.benchmarks.estimates.estimates import SPECS, TRUSTED, estimate, find_workload, fits
from fer_edge.benchmarks.estimates.roofline import TERMS, Chip, Fit, Observation, fit, nonnegative, slower, streamed
from fer_edge.benchmarks.estimates.text import render
from fer_edge.benchmarks.published.literature import COLUMNS, COUNTS, PublishedResult, read_models, read_ratios
from fer_edge.benchmarks.published.workload import Workload, count_file, count_layers
from fer_edge.benchmarks.studies.estimates_page import main, page_tables
from fer_edge.bundle import default_bundle, find_bundle, open_bundle, shipped_bundles
from fer_edge.errors import DeviceNotFound, InputError, MissingExtra, UnsupportedGraph, UsageError
from fer_edge.export.table import BEGIN, END
from fer_edge.files import between_marks

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimates.md"
CHIP = Chip("int8", on_chip=4e6)


def graph(*nodes: Any, weights: dict[str, tuple[int, ...]], size: int = 8) -> Any:
    """An ONNX model with the given nodes, from `picture` (1, 3, size, size) to `answer`."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    picture = helper.make_tensor_value_info("picture", kind, [1, 3, size, size])
    answer = helper.make_tensor_value_info("answer", kind, None)
    tensors = [onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()]
    return helper.make_model(helper.make_graph(list(nodes), "net", [picture], [answer], tensors))


def test_layers_are_counted_by_hand() -> None:
    make = pytest.importorskip("onnx").helper.make_node
    model = graph(
        make("Conv", ["picture", "w1", "b1"], ["a"], strides=[2, 2], pads=[1, 1, 1, 1]),
        make("Conv", ["a", "w2"], ["b"], group=16, pads=[1, 1, 1, 1]),
        make("GlobalAveragePool", ["b"], ["c"]),
        make("Flatten", ["c"], ["d"]),
        make("Gemm", ["d", "w3", "b3"], ["e"], transB=1),
        make("MatMul", ["e", "w4"], ["answer"]),
        weights={"w1": (16, 3, 3, 3), "b1": (16,), "w2": (16, 1, 3, 3), "w3": (10, 16), "b3": (10,), "w4": (10, 7)},
    )
    side, layers, outputs = count_layers(model)
    assert (side, outputs) == (8, 7)
    assert [n.macs for n in layers] == [16 * 16 * 27, 16 * 16 * 9, 160, 70]
    assert [n.depthwise for n in layers] == [False, True, False, False]
    assert [n.params for n in layers] == [16 * 27 + 16, 16 * 9, 170, 70]
    assert [n.written for n in layers] == [256, 256, 10, 7]
    assert [n.macs for n in count_layers(model, 16)[1]] == [64 * 16 * 27, 64 * 16 * 9, 160, 70], "four times the pixels"


@pytest.mark.parametrize(("size", "giga"), [(None, 0.485), (224, 1.814), (256, 2.37)])
def test_resnet18_has_the_operations_that_are_known(size: int | None, giga: float) -> None:
    pytest.importorskip("onnx")
    work = count_file(default_bundle() / "model.onnx", size)
    assert work.macs / 1e9 == pytest.approx(giga, rel=2e-3)
    assert work.depthwise == 0
    assert (work.layers, work.size, work.outputs) == (21, size or 112, 7)
    assert work.weight_bytes("int8") == pytest.approx(11.2e6, rel=0.01)


def test_an_int8_graph_counts_like_the_float_one() -> None:
    pytest.importorskip("onnx")
    folder = default_bundle()
    assert count_file(folder / "onnx" / "model_int8.onnx") == count_file(folder / "model.onnx")


@pytest.mark.train
@pytest.mark.parametrize("backbone", ["mobilenetv2_100", "resnet18"])
def test_the_table_of_models_holds_what_is_counted(tmp_path: Path, backbone: str) -> None:
    pytest.importorskip("torch", reason="needs the train extra")
    from fer_edge.train.torch_import import import_torch

    torch, timm = import_torch(), importlib.import_module("timm")
    path, picture = tmp_path / "net.onnx", torch.zeros(1, 3, 224, 224)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls this exporter deprecated
        torch.onnx.export(timm.create_model(backbone).eval(), picture, str(path), dynamo=False)
    counted, work = count_file(path), find_workload(backbone, 224)[1]
    for name in ("dense", "depthwise", "params", "activations", "layers", "outputs"):
        assert getattr(counted, name) == pytest.approx(getattr(work, name), rel=1e-3), name
    assert counted.macs / 1e9 == pytest.approx({"resnet18": 1.81, "mobilenetv2_100": 0.30}[backbone], rel=0.01)


def test_what_cannot_be_counted_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make = pytest.importorskip("onnx").helper.make_node
    odd = make("Resize", ["picture", "", "scales"], ["a"])
    with pytest.raises(UnsupportedGraph, match="'a' cannot be told"):
        count_layers(
            graph(make("NonZero", ["picture"], ["a"]), make("MatMul", ["w", "a"], ["answer"]), odd, weights={})
        )
    (tmp_path / "no.onnx").write_text("not a graph")
    with pytest.raises(UnsupportedGraph, match=r"no\.onnx is no ONNX graph"):
        count_file(tmp_path / "no.onnx")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingExtra, match="'onnx'"):
        count_file(default_bundle() / "model.onnx")


def test_nonnegative_least_squares_meets_the_conditions_of_its_optimum() -> None:
    rng, clipped = np.random.default_rng(3), 0
    for _ in range(50):
        a, b = rng.normal(size=(9, 4)), rng.normal(size=9)
        x = nonnegative(a, b)
        slope = a.T @ (a @ x - b)
        assert (x >= 0).all()
        assert (slope > -1e-9).all()
        assert np.abs(slope[x > 0]).max(initial=0) < 1e-9
        clipped += int((x == 0).any())
    assert clipped > 10, "the bound was at work"


def synthetic(costs: dict[str, float], noise: float = 0.0, models: int = 12, rows: int = 1) -> list[Observation]:
    """Figures that a device with the given costs would have; `noise`: standard deviation of the logarithm."""
    rng = np.random.default_rng(11)
    seen = []
    for i in range(models):
        dense, depthwise, params, activations = np.exp(rng.uniform(np.log(1e6), np.log(3e7), 4))
        work = Workload(224, 100 * dense, depthwise, params, activations, int(rng.integers(8, 200)))
        ms = Fit(CHIP, costs).predict(work) * float(np.exp(noise * rng.normal()))
        seen += [
            Observation(PublishedResult("ncs2", f"net{i}", 224, "int8", "pc", 0, ms, 0, 0, "made up"), work)
        ] * rows
    return seen


@pytest.mark.parametrize(
    "costs",
    [
        {"call": 0.7, "macs": 1.2, "activations": 0.2, "bus": 1.9},
        {"layers": 0.1, "macs": 3.5, "activations": 0.3, "weights": 0.1},
        {"dense": 130.0, "depthwise": 3100.0, "weights": 0.5},
    ],
)
def test_the_fit_finds_the_costs_that_made_the_figures(costs: dict[str, float]) -> None:
    found = fit(synthetic(costs), tuple(costs), CHIP)
    assert found is not None
    assert found.costs == pytest.approx(costs, rel=1e-6)
    assert found.error < 1e-6
    assert found.worst < 1e-6
    given = fit(synthetic(costs), tuple(costs)[1:], CHIP, dict(list(costs.items())[:1]))
    assert given is not None
    assert {**given.costs, **given.given} == pytest.approx(costs, rel=1e-6)


def test_a_model_is_left_out_with_all_its_rows() -> None:
    costs, terms = {"call": 5.0, "macs": 3.0}, ("call", "macs")
    once, thrice = (fit(synthetic(costs, 0.6, rows=rows), terms, CHIP) for rows in (1, 3))
    assert once is not None
    assert thrice is not None
    assert thrice.error == pytest.approx(once.error), "copies of a row do not predict it"
    assert once.error > 0.2
    inside = np.mean([abs(once.predict(o.work) / o.published.ms - 1) for o in once.observations])
    assert once.error > inside


def test_too_few_models_give_no_fit() -> None:
    terms = ("call", "macs", "weights")
    assert fit(synthetic({"call": 1.0}, models=4, rows=5), terms, CHIP) is None
    assert fit(synthetic({"call": 1.0}, models=5), terms, CHIP) is not None


def test_a_board_like_another_is_as_much_slower_and_less_sure() -> None:
    costs = {"call": 5.0, "macs": 3.0}
    found = fit(synthetic(costs), tuple(costs), CHIP)
    assert found is not None
    twice = slower(found, [2.0, 2.0, 2.0], "a page")
    assert twice.costs == pytest.approx({"call": 10.0, "macs": 6.0})
    assert twice.error < 1e-6
    assert [o.published.ms for o in twice.observations] == [2 * o.published.ms for o in found.observations]
    assert all(
        "made up, times 2.00" in o.published.source and "a page" in o.published.source for o in twice.observations
    )
    uneven = slower(found, [1.0, 2.0, 4.0], "a page")
    assert uneven.costs == twice.costs
    assert uneven.worst == pytest.approx(2.0), "the one that took as long, by the other two's median of three"


def test_the_raspberry_pis_are_in_the_order_of_their_processors() -> None:
    pytest.importorskip("onnx")
    for model in shipped_bundles():
        boards = [estimate(board, model) for board in ("rpi5", "rpi4", "rpi3", "rpi-zero2")]
        ms = [e.mean_ms for (e,) in boards if e.mean_ms is not None]
        assert len(ms) == 4
        assert ms == sorted(ms), model
        (here,), (there,) = boards[3], boards[1]
        assert here.error is not None
        assert there.error is not None
        assert here.error > there.error
        assert "RPi4.md" in here.sources[0]
        assert "ncnn" in here.sources[0]


def test_a_wrong_ratio_is_named(tmp_path: Path) -> None:
    head = "model,input,rpi3,rpi4,source\n"
    (tmp_path / "boards.csv").write_text(head + "a,224,20,10,a page\nb,224,30,0,a page\n")
    with pytest.raises(InputError, match=r"boards\.csv, line 3: rpi4 gives no milliseconds"):
        read_ratios("rpi3", "rpi4", tmp_path)
    (tmp_path / "boards.csv").write_text(head + "a,224,20,10,a page\nb,224,30,10,a page\n")
    assert read_ratios("rpi3", "rpi4", tmp_path) == ((2.0, 3.0), "a page")


def test_only_what_does_not_fit_on_the_chip_is_streamed() -> None:
    small = Workload(112, 4e8, 0, 3e6, 6e5, 21, 7)
    assert streamed(small, CHIP) == 0
    assert streamed(replace(small, params=5e6), CHIP) == 1e6
    found = Fit(CHIP, {"call": 1.0, "bus": 2.0})
    assert found.parts(small)["streamed"] == 0
    assert found.parts(replace(small, params=5e6))["streamed"] == pytest.approx(2.0)
    assert found.parts(small)["transfer"] == pytest.approx(2.0 * (3 * 112**2 + 28) / 1e6)


def test_nothing_more_to_do_is_ever_faster() -> None:
    base = read_models()["resnet50", 224]
    for spec, found in fits():
        assert found is not None, spec
        assert set(found.costs) == set(spec.terms)
        assert min(found.costs.values()) >= 0
        for name in ("dense", "depthwise", "params", "activations", "layers"):
            more = [replace(base, **{name: getattr(base, name) * k + k}) for k in (1, 2, 5)]
            ms = [found.predict(work) for work in more]
            assert ms == sorted(ms), (spec.device, spec.host, name)
        if "bus" in spec.terms:
            assert found.predict(replace(base, params=2 * base.params)) > found.predict(base)


def test_the_fits_rest_on_the_published_figures_and_say_how_well() -> None:
    by_place = {(spec.device, spec.host): found for spec, found in fits()}
    coral, slow = by_place["coral-usb", "pc"], by_place["coral-usb", "rpi3b+"]
    assert coral is not None
    assert slow is not None
    assert any(o.published.tabled for o in coral.observations), "the device table is among them"
    assert coral.error <= TRUSTED < slow.error
    assert coral.costs["bus"] < slow.costs["bus"] / 5, "USB 2 is an order slower"
    for found in by_place.values():
        assert found is not None
        assert all(o.published.precision == found.chip.precision for o in found.observations)
        assert found.error <= found.worst


def test_the_student_whose_weights_stay_on_the_chip_is_faster_there() -> None:
    pytest.importorskip("onnx")
    (student, *_), (default, *_) = estimate("coral", "edgetpu"), estimate("coral", "default")
    assert student.mean_ms is not None
    assert default.mean_ms is not None
    assert student.parts["streamed"] == 0
    assert default.parts["streamed"] > 0.5 * default.mean_ms
    assert student.mean_ms < default.mean_ms / 3
    assert sum(default.parts.values()) == pytest.approx(default.mean_ms)
    assert default.as_mapping()["mean_ms"] == default.mean_ms
    assert "roofline" in default.as_mapping()["tool"]


def published(folder: Path, milliseconds: Sequence[float]) -> Path:
    """Tables of an ncs2 that took so long for models of 1, 2, 3 … GMAC."""
    rows = [f"ncs2,net{i},224,float16,pc,,{ms},,,a page" for i, ms in enumerate(milliseconds)]
    (folder / "some.csv").write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    counts = [f"net{i},224,{1000 * (i + 1)},0,5,1,20,1000,a page" for i in range(len(milliseconds))]
    (folder / "models.csv").write_text("\n".join([",".join(COUNTS), *counts]) + "\n")
    return folder


def test_figures_that_the_formula_explains_give_one_figure(tmp_path: Path) -> None:
    (one,) = estimate("ncs2", "net2", folder=published(tmp_path, [15, 20, 25, 30, 35]))
    assert one.mean_ms == pytest.approx(25)
    assert one.fps == pytest.approx(40)
    assert one.low_ms is None
    assert (one.figures, one.models, one.sources, one.reason) == (5, 5, ("a page",), "")
    said = render([one])
    assert "estimate, not a measurement" in said
    assert "mean 25 ms" in said
    assert "leave-one-out error 0%" in said


def test_figures_that_it_cannot_explain_give_a_range(tmp_path: Path) -> None:
    (wild,) = estimate("ncs2", "net2", folder=published(tmp_path, [5, 90, 4, 160, 12, 40, 3]))
    assert wild.error is not None
    assert wild.error > TRUSTED
    assert wild.mean_ms is None
    assert wild.fps is None
    assert wild.low_ms is not None
    assert wild.high_ms is not None
    assert wild.low_ms < wild.high_ms
    assert set(wild.as_mapping()) == {"low_ms", "high_ms", "tool"}
    said = render([wild])
    assert "is above 35%: a range, not a figure" in said
    assert " to " in said
    assert "frames/s" not in said


def test_too_little_published_gives_no_figure(tmp_path: Path) -> None:
    (few,) = estimate("ncs2", "net1", folder=published(tmp_path, [15, 20, 25]))
    assert few.mean_ms is None
    assert few.low_ms is None
    assert few.as_mapping() == {}
    assert "no figure: fewer than 4 models were published" in render([few])
    (nothing,) = estimate("intel-npu", "resnet50")
    assert nothing.as_mapping() == {}
    assert "no figure" in render([nothing])


def test_an_estimate_beyond_every_published_model_says_so(tmp_path: Path) -> None:
    folder = published(tmp_path, [15, 20, 25, 30, 35, 40])
    models = (folder / "models.csv").read_text()
    (folder / "models.csv").write_text(models + "tiny,32,1,0,1,1,3,7,a page\n")
    assert "extrapolated" in estimate("ncs2", "tiny", folder=folder)[0].reason


def test_wrong_names_and_sizes() -> None:
    with pytest.raises(DeviceNotFound):
        estimate("corl", "resnet50")
    with pytest.raises(UsageError, match="resnet50 was not counted at 100 pixels"):
        estimate("coral", "resnet50", 100)
    with pytest.raises(UsageError, match="there is no model 'resnet5O'"):
        estimate("coral", "resnet5O")
    with pytest.raises(UsageError, match="16 pixels is too small"):
        estimate("coral", "default", 16)


def test_the_page_holds_what_the_command_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnx")
    page, tables = PAGE.read_text(), page_tables()
    assert between_marks(page, BEGIN, END, tables) == page, "run the command that docs/estimates.md names"
    for spec in SPECS:
        assert f"| {spec.device} |" in tables
    assert all(TERMS[name].unit in tables for spec in SPECS for name in spec.terms)
    (tmp_path / "page.md").write_text(f"a\n{BEGIN}\nold\n{END}\nb\n")
    main(["--write", str(tmp_path / "page.md")])
    assert (tmp_path / "page.md").read_text() == f"a\n{BEGIN}\n{tables}\n{END}\nb\n"
    assert not capsys.readouterr().out
    with pytest.raises(UsageError, match="has no"):
        between_marks("no marks", BEGIN, END, tables)


@pytest.mark.parametrize("name", shipped_bundles())
def test_our_own_models_in_the_table_are_what_their_graphs_say(name: str) -> None:
    """They stand there so that an estimate needs no onnx; a new bundle must be counted again."""
    side = open_bundle(name).manifest.input.size
    assert read_models()[name, side] == count_file(find_bundle(name) / "model.onnx")
