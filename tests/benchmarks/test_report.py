"""A benchmark's figures, its results file and its report: right, whole, escaped, and nothing filled in."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from fer_edge.benchmarks.report.canvas import Drawing
from fer_edge.benchmarks.report.latency_plots import (
    REST,
    draw_distribution,
    draw_over_time,
    draw_stages,
    slices,
    stage_means,
)
from fer_edge.benchmarks.report.markdown import markdown, write_csv
from fer_edge.benchmarks.report.report import PLOTS, notice, write_report
from fer_edge.benchmarks.report.tables import measured_table, published_table, unmeasured_table
from fer_edge.benchmarks.report.trade_plots import draw_accuracy, draw_prices, price_marks
from fer_edge.benchmarks.results.metrics import METRICS, STAGE_METRICS, latency_metrics, stage_metrics
from fer_edge.benchmarks.results.results import ResultRow, Results, load_results, save_results
from fer_edge.benchmarks.results.validation import SCHEMA_FILE, validate
from fer_edge.errors import InputError, MissingExtra, OutputError

NASTY = 'a<script>alert(1)</script>|`"$x^\n[b](http://example.com) 顔'
CHROMIUM = Path("/usr/bin/chromium")


def nanoseconds(ms: float, count: int = 200, seed: int = 0) -> list[int]:
    random = np.random.default_rng(seed)
    return [int(v * 1e6) for v in ms * (1 + 0.05 * random.random(count))]


def row(device: str = "cpu", model: str = "default", ms: float = 10.0, scope: str = "model", **more: Any) -> ResultRow:
    samples = more.pop("samples", nanoseconds(ms))
    facts = {"state": "measured", "precision": "int8", "sha256": "a" * 64, "first_ms": 55.0, **more}
    return ResultRow(device, model, 112, scope, samples_ns=samples, figures=latency_metrics(samples), **facts)


def unmeasured(device: str, model: str, state: str = "absent", size: int = 112, **more: Any) -> ResultRow:
    return ResultRow(device, model, size, "model", state, **more)


def a_run() -> Results:
    """One row of every kind."""
    stages = {s: stage_metrics(nanoseconds(ms)) for s, ms in (("capture", 1.0), ("detect", 5.0), ("infer", 3.0))}
    accuracy = {"set": "test", "images": 3500, "accuracy": 0.858, "mean_recall": 0.885, "points": -0.09}
    table = {"source": "the device table of the 2025 thesis"}
    board = {"before": {"temperature_c": 45.0}, "after": {"throttled": False}}
    stood_in = {"mean_ms": 2.73, "fps": 365.82, "verdict": "not comparable: the processor stood in", **table}
    away = {"mean_ms": 24.81, "fps": 40.31, "verdict": "no device here", **table}
    stick: dict[str, Any] = {"title": "Neural Stick", "reason": "no stick", "hint": "fer-edge doctor", "price_usd": 69}
    vela, roofline = {"mean_ms": 3.2, "tool": "vela 5.2.0"}, {"low_ms": 8, "high_ms": 30, "tool": "roofline"}
    rows = [
        row(accuracy=accuracy, peak_mib=120.4, board=board),
        row(ms=25, precision="float32", accuracy={**accuracy, "accuracy": 0.859, "points": 0.0}),
        row(scope="pipeline", stages=stages, camera={"fps": 30.0, "dropped": 0.25}, warnings=(NASTY, 'hot, "very"')),
        row("coral-usb", NASTY, 900, degraded=True, price_usd=75, price_year=2025, published=stood_in),
        row("rk3588", "mobilenetv2", 40, simulated=True, price_usd=80),
        row("rpi5", "resnet50", 30, price_usd=80, state="partial", reason="interrupted by Ctrl-C"),
        unmeasured("ncs2", "mobilenetv2", size=224, price_year=2025, published=away, **stick),
        unmeasured("imx93", "edgetpu", published={"verdict": "not published"}, estimate=vela),
        unmeasured("rk3566", "edgetpu", "failed", reason="the NPU hung", estimate=roofline),
    ]
    about = {"board": NASTY, "governor": "powersave", "libraries": {"numpy": "2.4.6"}, "clocks": [], "usb": None}
    started = "2026-11-25T10:00:00+00:00"
    return Results("0.1.0", started, "quick", {"queries": 200, "seconds": 10}, about, rows, False, "interrupted")


# figures


def test_figures_of_known_latencies() -> None:
    one_to_hundred = np.random.default_rng(0).permutation(np.arange(1, 101))
    got = latency_metrics([int(v) * 1_000_000 for v in one_to_hundred])
    percentiles = {"p50_ms": 51, "p90_ms": 91, "p95_ms": 96, "p99_ms": 100}
    spread = {"min_ms": 1, "max_ms": 100, "std_ms": np.std(one_to_hundred, ddof=1), "fps": 1000 / 50.5}
    assert got == pytest.approx({"queries": 100, "seconds": 5.05, "mean_ms": 50.5, **percentiles, **spread})
    assert tuple(got) == METRICS


def test_figures_of_one_and_two_latencies() -> None:
    one, two = latency_metrics([4_000_000]), latency_metrics([8_000_000, 4_000_000])
    assert {one[f"p{p}_ms"] for p in (50, 90, 95, 99)} == {one["mean_ms"]} == {4.0}
    assert (one["std_ms"], one["fps"]) == (0.0, 250.0)
    assert {two[f"p{p}_ms"] for p in (50, 90, 95, 99)} == {8.0}
    assert two["std_ms"] == pytest.approx(np.sqrt(8))


@pytest.mark.parametrize("seed", range(20))
def test_percentiles_are_those_of_loadgen(seed: int) -> None:
    """results.cc: latencies[count * percentile], the product a double that is cut to an integer."""
    random = np.random.default_rng(seed)
    samples = [int(v) for v in random.lognormal(16, 0.3, random.integers(1, 3000))]
    got = latency_metrics(samples)
    for percent, share in ((50, 0.5), (90, 0.9), (95, 0.95), (99, 0.99)):
        assert got[f"p{percent}_ms"] == sorted(samples)[int(np.float64(len(samples)) * share)] / 1e6
    assert got["min_ms"] <= got["p50_ms"] <= got["p90_ms"] <= got["p95_ms"] <= got["p99_ms"] <= got["max_ms"]
    assert got["fps"] * got["mean_ms"] == pytest.approx(1000)
    assert latency_metrics(samples[::-1]) == pytest.approx(got)


@pytest.mark.parametrize(
    ("samples", "said"), [([], "no latencies"), ([5, -1], "negative"), ([0, 0], "every latency is 0")]
)
def test_figures_of_nothing(samples: list[int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        latency_metrics(samples)


def test_a_stage_may_take_no_time() -> None:
    assert stage_metrics([0, 0, 3_000_000]) == pytest.approx({"mean_ms": 1.0, "p50_ms": 0.0, "p90_ms": 3.0})
    assert tuple(stage_metrics([1])) == STAGE_METRICS
    with pytest.raises(ValueError, match="no latencies"):
        stage_metrics([])


# results.json


def test_results_come_back_as_they_went(tmp_path: Path) -> None:
    save_results(tmp_path / "results.json", a_run())
    assert load_results(tmp_path / "results.json") == load_results(tmp_path)
    back = load_results(tmp_path)
    assert [r.key for r in back.rows] == [r.key for r in a_run().rows]
    assert json.dumps(back.rows[0].figures) == json.dumps(a_run().rows[0].figures)
    assert back.environment["board"] == NASTY


def test_the_schema_is_one_and_names_exactly_what_is_saved() -> None:
    from jsonschema import Draft202012Validator

    schema = json.loads(SCHEMA_FILE.read_text())
    Draft202012Validator.check_schema(schema)
    for part, saved in ((schema, Results), (schema["$defs"]["row"], ResultRow)):
        assert set(part["properties"]) == set(part["required"]) == {f.name for f in fields(saved)}
        assert part["additionalProperties"] is False
    assert set(schema["$defs"]["figures"]["properties"]) == set(schema["$defs"]["figures"]["then"]["required"])
    assert set(schema["$defs"]["figures"]["properties"]) == set(METRICS)


Change = Callable[[dict[str, Any]], object]


def change(place: str, value: object) -> Change:
    """Sets rows[0].PLACE."""

    def do(data: dict[str, Any]) -> None:
        *path, last = place.split(".")
        target = data["rows"][0]
        for name in path:
            target = target[int(name) if name.isdigit() else name]
        target[int(last) if last.isdigit() else last] = value

    return do


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda d: d.update(extra=1), "the file: Additional properties are not allowed ('extra'"),
        (lambda d: d.pop("rules"), "the file: 'rules' is a required property"),
        (lambda d: d.update(mode="fast"), "mode: 'fast' is not one of"),
        (lambda d: d.update(rows={}), "rows: {} is not of type 'array'"),
        (lambda d: d["rows"].append(3), "rows[9]: 3 is not of type 'object'"),
        (lambda d: d["environment"].update(load=float("nan")), "environment.load: nan is no number"),
        (change("speed", 3), "rows[0]: Additional properties are not allowed ('speed'"),
        (change("state", "done"), "rows[0].state: 'done' is not one of"),
        (change("sha256", "xyz"), "rows[0].sha256: 'xyz' does not match"),
        (change("samples_ns.2", 1.5), "rows[0].samples_ns[2]: 1.5 is not of type 'integer'"),
        (change("samples_ns.2", -4), "rows[0].samples_ns[2]: -4 is less than the minimum of 0"),
        (change("samples_ns.2", True), "rows[0].samples_ns[2]: True is not of type 'integer'"),
        (change("samples_ns.2", 9), "rows[0].figures.seconds: it says"),
        (change("samples_ns", []), "rows[0].samples_ns: the row is measured and has no samples"),
        (change("state", "absent"), "rows[0].samples_ns: the row is absent and has samples"),
        (change("figures", {}), "rows[0].figures: there are samples without figures"),
        (change("figures", {"fps": 1}), "rows[0].figures: 'queries' is a required property"),
        (change("figures.p50_ms", "3"), "rows[0].figures.p50_ms: '3' is not of type 'number'"),
        (change("figures.p50_ms", 3), "rows[0].figures.p50_ms: it says 3, its samples give"),
        (change("figures.fps", 999.0), "rows[0].figures.fps: it says 999.0, its samples give"),
        (change("first_ms", float("inf")), "rows[0].first_ms: inf is no number"),
        (change("accuracy.accuracy", 85.8), "rows[0].accuracy.accuracy: 85.8 is greater than the maximum of 1"),
        (change("estimate", {"mean_ms": 3}), "rows[0].estimate: 'tool' is a dependency of 'mean_ms'"),
        (change("stages", {"infer": {"mean_ms": 3}}), "rows[0].stages.infer: 'p50_ms' is a required property"),
    ],
)
def test_the_place_of_what_is_wrong_is_named(damage: Change, said: str, tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    save_results(file, a_run())
    data = json.loads(file.read_text())
    damage(data)
    file.write_text(json.dumps(data))
    with pytest.raises(InputError) as error:
        load_results(file)
    assert error.value.message.startswith(f"{file}: {said}")
    assert len(error.value.message) < 400 + len(str(file))


def test_a_partial_row_may_be_without_samples_and_a_figure_may_be_rounded(tmp_path: Path) -> None:
    early = unmeasured("cpu", "default", "partial", reason="interrupted while warming up")
    rounded = row()
    rounded = replace(rounded, figures={k: float(f"{v:.9g}") for k, v in rounded.figures.items()})
    save_results(tmp_path / "a.json", replace(a_run(), rows=[early, rounded]))
    data = json.loads((tmp_path / "a.json").read_text())
    data["rows"][1]["figures"]["queries"] = 200
    validate(data, tmp_path)
    assert "interrupted while warming up" in unmeasured_table(replace(a_run(), rows=[early])).rows[0]["why"]


def test_without_the_validator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    save_results(tmp_path / "results.json", a_run())
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(MissingExtra, match="jsonschema"):
        load_results(tmp_path)


# tables


def test_the_csv_is_flat_and_survives_commas_quotes_and_line_breaks(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", a_run())
    assert b"\r\n" in (tmp_path / "a.csv").read_bytes()
    with (tmp_path / "a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(a_run().rows)
    first, pipeline, coral, absent = rows[0], rows[2], rows[3], rows[6]
    assert float(first["p90_ms"]) == a_run().rows[0].figures["p90_ms"]
    shown = ("temperature_before_c", "temperature_after_c", "accuracy_points")
    assert [first[name] for name in shown] == ["45.0", "", "-0.09"]
    assert pipeline["warnings"] == f'{NASTY}; hot, "very"'
    assert float(pipeline["stage_detect_mean_ms"]) == a_run().rows[2].stages["detect"]["mean_ms"]
    assert (coral["model"], coral["degraded"], coral["published_mean_ms"]) == (NASTY, "True", "2.73")
    assert {absent[name] for name in (*METRICS, "first_ms", "peak_mib", "stage_detect_mean_ms")} == {""}
    assert not [name for name in first if "samples" in name]
    write_csv(tmp_path / "none.csv", replace(a_run(), rows=[]))
    assert (tmp_path / "none.csv").read_text().startswith("device,title,model,")


def test_nothing_is_filled_in_that_was_not_measured() -> None:
    published = {r["device"]: r for r in published_table(a_run()).rows}
    empty = ("measured ms", "ratio")
    for device in ("Neural Stick", "imx93", "rk3566"):
        assert [published[device][c] for c in empty] == ["", ""]
    stick, coral = published["Neural Stick"], published["coral-usb"]
    assert [stick[c] for c in ("published ms", "published fps", "price")] == ["24.81", "40.31", "$69 (2025)"]
    assert coral["measured ms"].endswith("DEGRADED")
    assert published["imx93"]["estimate (tool)"] == "3.20 ms (vela 5.2.0)"
    assert published["rk3566"]["estimate (tool)"] == "8.00 to 30.0 ms (roofline)"
    assert [r["device"] for r in measured_table(a_run()).rows] == ["cpu"] * 3 + ["coral-usb", "rk3588", "rpi5"]
    assert measured_table(a_run()).rows[1]["peak MiB"] == ""
    assert [r["why"] for r in unmeasured_table(a_run()).rows] == ["no stick", "no reason given", "the NPU hung"]


def test_rows_that_are_no_whole_measurement_are_marked_everywhere() -> None:
    tags = ["", "", "", "DEGRADED", "SIMULATED", "PARTIAL"]
    table = measured_table(a_run())
    assert list(table.marks) == tags
    for cells, tag in zip(table.rows, tags, strict=True):
        assert tag in cells["notes"]
        assert "quick" in cells["notes"]
    assert "2 warnings" in table.rows[2]["notes"]
    page = markdown(a_run())
    for tag in ("DEGRADED", "SIMULATED", "PARTIAL"):
        assert re.search(rf"^\| \*\*\S+ {tag}\*\* \|", page, re.MULTILINE)
    assert "The run is not complete: interrupted." in page
    assert "notes" not in markdown(replace(a_run(), rows=[]))


def test_markdown_shows_names_as_they_are() -> None:
    page = markdown(a_run())
    assert "<script" not in page
    assert '| a&lt;script&gt;alert(1)&lt;/script&gt;\\|\\`"$x^ \\[b\\](http://example.com) 顔 |' in page
    for table in re.findall(r"(?:^\|.*\n)+", page, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


# the page


class Page(HTMLParser):
    """Reads the page as a browser would, and notes what an accessible, self-contained one may not have."""

    VOID = ("meta", "img", "br", "link", "input")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, *names: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag in names]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("report") / "results"
    made = write_report(place, a_run())
    assert sorted(p.name for p in made) == sorted(p.name for p in place.iterdir())
    return place


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_the_folder_has_everything(folder: Path) -> None:
    assert {"results.json", "results.csv", "results.md", "report.html", *PLOTS} == {p.name for p in folder.iterdir()}
    assert load_results(folder).ended == "interrupted"


def test_the_page_loads_nothing(page: Page, folder: Path) -> None:
    assert not page.open
    assert not page.all("script", "link", "iframe", "object", "embed", "base", "form", "a")
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "style", "data", "action", "poster"):
                assert (value or "").startswith("data:image/png;base64,")
    style = re.search(r"<style>(.*?)</style>", (folder / "report.html").read_text(), re.DOTALL)
    assert style is not None
    assert not re.search(r"url\(|@import|http", style[1])


def test_strings_are_shown_and_not_obeyed(page: Page) -> None:
    shown = "".join(page.words)
    assert shown.count("<script>alert(1)</script>") >= 4  # a model, a warning, the board, details


def test_the_page_is_accessible(page: Page) -> None:
    assert page.all("html")[0]["lang"] == "en"
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(t.get("scope") in ("row", "col") for t in page.all("th"))
    assert len(page.all("img")) == len(PLOTS)
    assert all(len(i["alt"] or "") > 40 for i in page.all("img"))
    assert all("aria-label" in d or "aria-labelledby" in d for d in page.all("div") if d.get("role") == "region")
    shown = "".join(page.words)
    for words in ("DEGRADED", "SIMULATED", "PARTIAL", "prefers-color-scheme: dark", "The run is not complete"):
        assert words in shown
    assert len([r for r in page.all("tr") if r.get("class") == "marked"]) == 4  # three measured, one of them published


def test_a_plot_without_data_is_left_out_and_the_page_says_why(tmp_path: Path) -> None:
    write_report(tmp_path, a_run())
    made = write_report(tmp_path, replace(a_run(), rows=[row()]))
    names = {p.name for p in tmp_path.iterdir()}
    files = {"results.json", "results.csv", "results.md", "report.html", "latency.png", "over_time.png"}
    assert names == {p.name for p in made} == files
    shown = "".join(Page((tmp_path / "report.html").read_text()).words)
    for why in ("no row of the scope pipeline", "no measured row has an accuracy", "no device with a known price"):
        assert f"Not drawn: {why}" in shown
    write_report(tmp_path, replace(a_run(), rows=[]))
    assert not list(tmp_path.glob("*.png"))
    assert "Nothing was measured." in "".join(Page((tmp_path / "report.html").read_text()).words)


def test_without_matplotlib_the_figures_are_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert notice() == ""
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    made = write_report(tmp_path, a_run())
    assert [p.name for p in made] == ["results.json", "results.csv", "results.md"]
    assert "[report]'" in notice()


def test_a_full_disk_keeps_the_finished_rows(small_disk: Path) -> None:
    rows = [row(samples=nanoseconds(10, 2000)) for _ in range(3)]
    (small_disk / "filler").write_bytes(bytes(1_300_000))
    with pytest.raises(OutputError, match="cannot write"):
        write_report(small_disk / "run", replace(a_run(), rows=rows))  # the page does not fit, the results do
    assert len(load_results(small_disk / "run").rows) == 3
    with pytest.raises(OutputError, match=r"cannot write .*results\.json"):
        write_report(small_disk / "run", replace(a_run(), rows=[row(samples=nanoseconds(10, 40_000)), *rows]))
    assert len(load_results(small_disk / "run").rows) == 3
    assert not list((small_disk / "run").glob(".*"))


def test_the_results_are_written_before_anything_else(tmp_path: Path) -> None:
    (tmp_path / "results.csv").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*results\.csv"):
        write_report(tmp_path, a_run())
    assert len(load_results(tmp_path).rows) == len(a_run().rows)


# plots


@pytest.mark.parametrize("name", PLOTS)
def test_every_plot_is_a_picture_with_something_on_it(folder: Path, name: str) -> None:
    picture = cv2.imread(str(folder / name))
    assert picture is not None
    assert picture.shape[1] == 832
    assert picture.std() > 10


@pytest.mark.parametrize("samples", [[5_000_000], [5_000_000, 5_000_000], [1, 10**10], [0, 3_000_000, 9]])
def test_plots_of_hardly_any_latencies(samples: list[int], tmp_path: Path) -> None:
    write_report(tmp_path, replace(a_run(), rows=[row(samples=samples, accuracy={"accuracy": 1.0}, price_usd=5)]))
    assert len(list(tmp_path.glob("*.png"))) == 4


def test_names_are_no_formulas_and_need_no_font(tmp_path: Path) -> None:
    """Two dollars would begin a formula of matplotlib, and its font has no 顔; warnings are errors here."""
    stages = {"$\\x$": stage_metrics([1_000_000])}
    names = [row(model="$\\frac$ 顔", accuracy={"accuracy": 0.8}, price_usd=5), row(scope="pipeline", stages=stages)]
    write_report(tmp_path, replace(a_run(), rows=names))
    assert len(list(tmp_path.glob("*.png"))) == len(PLOTS)


def test_many_rows_are_cut_and_that_is_said() -> None:
    rows = [row(f"device{i}", ms=5 + i, price_usd=10 + i, accuracy={"accuracy": 0.8}) for i in range(40)]
    run = replace(a_run(), rows=rows)
    for draw in (draw_distribution, draw_over_time, draw_accuracy, draw_prices):
        drawn = draw(run)
        assert isinstance(drawn, Drawing)
        words = drawn.alt + " ".join(t.get_text() for t in drawn.figure.findobj(lambda o: hasattr(o, "get_text")))
        assert re.search(r"\d\d more (rows )?not drawn", words)


def test_a_price_stands_beside_what_the_device_itself_did() -> None:
    marks = price_marks(a_run())
    assert [(m.device, m.filled) for m in marks] == [("rpi5", True), ("coral-usb", False), ("ncs2", False)]
    assert [m.y for m in marks[1:]] == [365.82, 40.31]
    drawn = draw_prices(a_run())
    assert isinstance(drawn, Drawing)
    faces = [line.get_markerfacecolor() for line in drawn.figure.axes[0].lines]
    assert [face == "none" for face in faces] == [False, True, True]
    assert "rpi5 resnet50 112 px int8 model [PARTIAL], $80" in drawn.alt
    assert "ncs2 mobilenetv2, published, $69: 40.31, published" in drawn.alt


def test_what_is_in_no_stage_is_drawn_too() -> None:
    pipeline = a_run().rows[2]
    means = stage_means(pipeline)
    assert list(means) == ["capture", "detect", "infer", REST]
    assert sum(means.values()) == pytest.approx(pipeline.figures["mean_ms"])
    assert isinstance(draw_stages(a_run()), Drawing)


def test_drift_shows_in_the_slices() -> None:
    rising = [int(v * 1e6) for v in np.linspace(10, 20, 1000)]
    seconds, values = slices(rising)
    assert seconds.shape == (100,)
    assert values.shape == (3, 100)
    assert seconds[-1] == pytest.approx(15, rel=0.02)
    assert (values[1, 0], values[1, -1]) == (pytest.approx(10, rel=0.01), pytest.approx(20, rel=0.01))
    drawn = draw_over_time(replace(a_run(), rows=[row(samples=rising)]))
    assert isinstance(drawn, Drawing)
    assert "median 12.5 ms in the first half, 17.5 ms in the second" in drawn.alt


# a browser


def browse(page: Path, *options: str) -> subprocess.CompletedProcess[str]:
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium at /usr/bin/chromium")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={page.parent / 'profile'}"]
    done = subprocess.run([*command, *options, page.as_uri()], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.parametrize("width", [390, 1200])
def test_a_browser_draws_it_within_a_narrow_and_a_wide_window(width: int, folder: Path, tmp_path: Path) -> None:
    probe = """<script>addEventListener("load", () => { const d = document.documentElement;
      const bad = [...document.images].filter(i => !i.naturalWidth).length;
      document.body.innerHTML = `wide ${d.scrollWidth > innerWidth} broken ${bad} of ${document.images.length}`; });
      </script></body>"""
    text = (folder / "report.html").read_text(encoding="utf-8").replace("</body>", probe)
    (tmp_path / "probe.html").write_text(text, encoding="utf-8")
    done = browse(tmp_path / "probe.html", "--dump-dom", f"--window-size={width},800")
    assert f"wide false broken 0 of {len(PLOTS)}" in done.stdout


def test_a_browser_draws_it_dark_where_the_reader_likes_that(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "report.html", tmp_path / "a.html")
    tops = []
    for name, options in (("light", []), ("dark", ["--force-dark-mode"])):
        browse(tmp_path / "a.html", f"--screenshot={tmp_path / name}.png", "--window-size=800,300", *options)
        picture = cv2.imread(str(tmp_path / f"{name}.png"))
        assert picture is not None
        tops.append(picture[:5].mean())
    assert tops[0] > 250
    assert tops[1] < 40
