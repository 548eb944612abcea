"""Short films of the demo's two portraits, and the verb as a person calls it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from fer_edge.runtime.sources.demo import DemoSource
from support.batches import Films


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten pictures of a face, key frames four pictures apart."""
    av = pytest.importorskip("av", reason="needs the video extra")
    pytest.importorskip("pyarrow", reason="needs the batch extra")
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    with av.open(str(path), "w") as file:
        track = file.add_stream("libx264", rate=10, options={"g": "4", "keyint_min": "4", "sc_threshold": "0"})
        for number, frame in zip(range(10), DemoSource(2.0), strict=False):
            if not number:
                track.height, track.width = (side // 2 * 2 for side in frame.image.shape[:2])
                track.pix_fmt = "yuv420p"
            image = frame.image[: track.height, : track.width]
            file.mux(track.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        file.mux(track.encode())
    return path


@pytest.fixture
def films(film: Path, tmp_path: Path) -> Films:
    """Puts films with these names into the folder `archive`, each a little longer in bytes than the one after it."""

    def make(*names: str) -> Path:
        folder = tmp_path / "archive"
        for number, name in enumerate(reversed(names)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(film, folder / name)
            with (folder / name).open("ab") as file:
                file.write(bytes([0, 0, 0, 8 + number, *b"free", *b"\0" * number]))  # a box that players pass over
        return folder

    return make
