"""The published tables, how wrong rows are named, and every verdict."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from fer_edge.benchmarks.published.literature import (
    COLUMNS,
    COUNTS,
    ITSELF,
    PUBLISHED,
    PublishedResult,
    read_models,
    read_published,
)
from fer_edge.benchmarks.published.verdicts import Measured, compare, expected_cells, host_of, table_name
from fer_edge.devices.profile import load_profiles
from fer_edge.errors import InputError

GOOD = {
    "device": "coral-usb", "model": "mobilenetv2", "input": "224", "precision": "int8", "host": "pc", "fps": "500",
    "mean_ms": "2", "price_usd": "", "price_year": "", "source": "a page",
}  # fmt: skip
TABLE = {
    ("coral-usb", "mobilenetv2"): (365.82, 2.73),
    ("coral-usb", "efficientnetv2b0"): (75.91, 13.17),
    ("jetson-nano", "mobilenetv2"): (82.75, 12.08),
    ("jetson-nano", "efficientnetv2b0"): (50.92, 19.64),
    ("jetson-nano", "resnet50"): (35.13, 28.47),
    ("ncs2", "mobilenetv2"): (40.31, 24.81),
    ("ncs2", "resnet50"): (26.03, 38.42),
}


@pytest.fixture(scope="module")
def published() -> tuple[PublishedResult, ...]:
    return read_published()


def write(folder: Path, rows: list[dict[str, str]], columns: tuple[str, ...] = COLUMNS, name: str = "some.csv") -> Path:
    with (folder / name).open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return folder


def test_the_device_table_is_there_whole_and_first(published: tuple[PublishedResult, ...]) -> None:
    assert {(f.device, f.model): (f.fps, f.mean_ms) for f in published if f.tabled} == TABLE
    assert all(f.tabled for f in published[: len(TABLE)])
    for f in published[: len(TABLE)]:
        assert f.fps * f.mean_ms == pytest.approx(1000, rel=2e-3), "batch 1, synchronous"


def test_every_row_has_a_source_a_known_device_and_a_plausible_time(published: tuple[PublishedResult, ...]) -> None:
    profiles = load_profiles()
    for f in published:
        assert f.source.strip()
        assert f.device in profiles
        assert 0.1 < f.ms < 2000
        assert f.rate == pytest.approx(1000 / f.ms, rel=0.02)
        assert (f.host == ITSELF) == (not profiles[f.device].usb and not profiles[f.device].pci), "sticks have hosts"
    same = Counter((f.device, f.model, f.input, f.host, f.source) for f in published)
    assert max(same.values()) == 1, same.most_common(1)


def test_every_file_is_read_and_every_model_count_has_a_source(published: tuple[PublishedResult, ...]) -> None:
    rows = [row for path in PUBLISHED.glob("*.csv") for row in csv.DictReader(path.read_text().splitlines())]
    boards = [row for row in rows if "rpi-zero2" in row]  # one network on several boards; see `literature`
    assert len(rows) == len(published) + len(read_models()) + len(boards)
    assert all(row["source"].strip() for row in rows)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"device": "corl"}, "no device 'corl'"),
        ({"mean_ms": "fast"}, "mean_ms is 'fast', not a number"),
        ({"mean_ms": "-2"}, "not a number of 0 or more"),
        ({"fps": "nan"}, "fps is 'nan'"),
        ({"fps": "", "mean_ms": ""}, "neither fps nor mean_ms"),
        ({"fps": "500", "mean_ms": "3"}, "do not agree: their product is 1500"),
        ({"precision": "int4"}, "precision is 'int4'"),
        ({"source": " "}, "source is empty"),
        ({"model": ""}, "model is empty"),
        ({"input": "224x224"}, "input is '224x224'"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(tmp_path: Path, change: dict[str, str], words: str) -> None:
    write(tmp_path, [GOOD, GOOD | change, GOOD])
    with pytest.raises(InputError) as error:
        read_published(tmp_path)
    assert f"{tmp_path / 'some.csv'}, line 3: " in str(error.value)
    assert words in str(error.value)


def test_a_table_without_a_column_and_a_row_cut_short_are_named(tmp_path: Path) -> None:
    write(tmp_path, [GOOD], COLUMNS[:-1])
    with pytest.raises(InputError, match="line 1: has no column source"):
        read_published(tmp_path)
    write(tmp_path, [GOOD])
    with (tmp_path / "some.csv").open("a") as file:
        file.write("coral-usb,mobilenetv2\n")
    with pytest.raises(InputError, match="line 3: has not 10 columns"):
        read_published(tmp_path)
    (tmp_path / "some.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"some\.csv, line 1"):
        read_published(tmp_path)


def test_no_tables_and_a_wrong_model_row(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no published figures"):
        read_published(tmp_path)
    with pytest.raises(InputError, match=r"models\.csv cannot be read"):
        read_models(tmp_path)
    write(tmp_path, [dict.fromkeys(COUNTS, "1") | {"params_m": "many"}], COUNTS, "models.csv")
    with pytest.raises(InputError, match=r"models\.csv, line 2: params_m is 'many'"):
        read_models(tmp_path)


def test_the_grid_has_the_two_cells_never_published_and_the_boards_sold_today(
    published: tuple[PublishedResult, ...],
) -> None:
    cells = expected_cells()
    assert len(cells) == len(set(cells)) == 18
    tabled = {(f.device, f.model) for f in published if f.tabled}
    assert set(cells[:9]) - tabled == {("coral-usb", "resnet50"), ("ncs2", "efficientnetv2b0")}
    assert {device for device, _ in cells[9:]} == {"rk3566", "rk3588", "imx93"}


CORAL = Measured("coral-usb", "mobilenetv2_100", 224, "int8", "pc", 2.73)


@pytest.mark.parametrize(
    ("measured", "words", "ratio"),
    [
        (CORAL, "within ±30 %", 1.0),
        (replace(CORAL, mean_ms=2.73 * 1.29), "within ±30 %", 1.29),
        (replace(CORAL, mean_ms=2.73 * 1.31), "outside", 1.31),
        (replace(CORAL, mean_ms=2.73 * 0.69), "outside", 0.69),
        (replace(CORAL, degraded=True), "not comparable: the processor stood in", None),
        (replace(CORAL, simulated=True), "not comparable: the vendor's simulator", None),
        (replace(CORAL, host="rpi5"), "not comparable: host differs (a host that is not stated; here a Raspb", None),
        (replace(CORAL, size=112), "not comparable: input size differs (not stated, 224 assumed; here 112)", None),
        (replace(CORAL, precision="float32"), "not comparable: precision differs (int8; here float32)", None),
        (replace(CORAL, mean_ms=None), "no device here", None),
        (replace(CORAL, model="resnet50"), "not published", None),
        (replace(CORAL, device="ncs2", model="tf_efficientnetv2_b0", precision="float16"), "not published", None),
        (replace(CORAL, model="default"), "not published", None),
        (Measured("rk3588", "resnet50", 224, "int8", mean_ms=9.0), "not published", None),
        (Measured("imx93", "resnet50", 112, "int8", mean_ms=9.0), "not comparable: input size differs (224; h", None),
        (Measured("jetson-nano", "resnet50", 224, "float16", "pc", 30.0), "within ±30 %", 30.0 / 28.47),
    ],
)
def test_every_verdict(
    published: tuple[PublishedResult, ...], measured: Measured, words: str, ratio: float | None
) -> None:
    verdict = compare(measured, published)
    assert verdict.words.startswith(words)
    assert verdict.ratio == (None if ratio is None else pytest.approx(ratio))


def test_a_figure_of_the_same_host_is_used_where_the_tables_cannot_be(published: tuple[PublishedResult, ...]) -> None:
    verdict = compare(replace(CORAL, host="rpi4", mean_ms=5.0), published)
    assert verdict.words == "within ±30 %"
    assert verdict.published is not None
    assert verdict.published.source.startswith("google-coral/pycoral")
    assert verdict.ratio == pytest.approx(5 / 4.5481)


def test_a_mapping_for_the_results_row(published: tuple[PublishedResult, ...]) -> None:
    said = compare(CORAL, published).as_mapping()
    assert (said["mean_ms"], said["fps"], said["ratio"]) == (2.73, 365.82, 1.0)
    assert "thesis" in said["source"]
    absent = compare(replace(CORAL, mean_ms=None), published).as_mapping()
    assert absent["verdict"] == "no device here"
    assert absent["mean_ms"] == 2.73
    assert absent["ratio"] is None
    assert compare(replace(CORAL, model="resnet50"), published).as_mapping() == {"verdict": "not published"}


def test_hosts_and_names() -> None:
    assert host_of("") == host_of("\0") == "pc"
    assert host_of("Raspberry Pi 4 Model B Rev 1.4\0") == "rpi4"
    assert host_of("Raspberry Pi 3 Model B Plus Rev 1.3") == "rpi3b+"
    assert host_of("Raspberry Pi 3 Model B Rev 1.2") == "rpi3b"
    assert host_of("Radxa ROCK 5B") == "radxa-rock-5b"
    assert table_name("tf_efficientnetv2_b0") == "efficientnetv2b0"
    assert table_name("resnet50") == "resnet50"
