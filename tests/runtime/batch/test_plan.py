"""Which files a batch is asked for, and what is wrong with what is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fer_edge.errors import DatasetError, FerEdgeError, InputError, SourceError, UsageError
from fer_edge.runtime.batch.batch_file import BatchFile
from fer_edge.runtime.batch.files import plan
from fer_edge.runtime.batch.run import BatchOptions, run_batch
from fer_edge.runtime.build import PipelineOptions


@pytest.mark.parametrize(
    ("make", "source", "said"),
    [
        ("", "absent.mp4", "no file or folder absent.mp4"),
        ("", "absent/*.mp4", "no file is like"),
        ("empty/notes.txt", "empty", "holds no video"),
        ("", "/dev/null", "is no file"),
        ("", "films.csv", "no file or folder"),
    ],
)
def test_nothing_is_there(make: str, source: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if make:
        Path(make).parent.mkdir()
        Path(make).touch()
    with pytest.raises(SourceError, match=said):
        plan([source], tmp_path / "o")


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("file,subject\na.mp4,P01\n", DatasetError, "no column path"),
        ("path,subject\na.mp4,P01\nb.mp4,P02\n", SourceError, "line 3: there is no file b.mp4"),
        ("path,subject\n,P01\n", InputError, "line 2: there is no path"),
        ("path,subject\na.mp4,P01\n./a.mp4,P02\n", InputError, r"line 2: subject 'P01'.*line 3: subject 'P02'"),
        ("path,subject\na.mp4\n", DatasetError, "line 2: no column may be missing"),
    ],
)
def test_a_table_that_is_wrong(text: str, kind: type[FerEdgeError], said: str, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    (tmp_path / "films.csv").write_text(text)
    with pytest.raises(kind, match=said):
        plan([str(tmp_path / "films.csv")], tmp_path / "o")


def test_of_a_login_nothing_is_kept() -> None:
    one, other = (BatchFile(f"https://{login}films.example/a.mp4?sign=abc") for login in ("anna:secret@", ""))
    assert one.key == other.key
    assert "secret" not in one.shown
    assert "abc" not in one.shown
    assert one.key.startswith("a-")
    assert BatchFile("https://films.example/a.mp4?sign=abd").key != other.key


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"engine": "abacus"}, "no engine 'abacus'"),
        ({"workers": 0}, "at least 1, not 0"),
        ({"pipeline": PipelineOptions(fallback="cpu")}, "no stand-in"),
        ({"pipeline": PipelineOptions(resting="first:2s")}, "no resting face"),
    ],
)
def test_what_a_batch_cannot_be(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        run_batch(BatchOptions((str(tmp_path),), tmp_path / "o", **options))
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("url", ["abacus://x/a.mp4", "s3://bucket/a.mp4"])
def test_what_nothing_here_reads(url: str, tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="needs the batch extra")
    try:
        import s3fs  # noqa: F401
    except ImportError:
        with pytest.raises(FerEdgeError, match=r"nothing here reads (abacus|s3)://"):
            plan([url], tmp_path / "o")


def test_names_of_any_kind(tmp_path: Path) -> None:
    names = [b"caf\xe9.mp4", "späť.mp4".encode(), b"a b;c.mp4", b"-.mp4", b"x" * 200 + b".mp4"]
    for name in names:
        (Path(str(tmp_path)) / name.decode("utf-8", "surrogateescape")).touch()
    found = plan([str(tmp_path)], tmp_path / "o").files
    assert len(found) == len({file.key for file in found}) == len(names)
    for file in found:
        assert file.key.isascii()
        assert len(file.key) < 60
        assert file.shown.encode()
