"""The data package `fer-edge-models`: ready-made artifacts of the bundles that ship, so that nobody has to export them.

`python -m fer_edge.export.targets.ready_made` exports every target whose tools are here, packs one wheel and writes
the hashes of what is in it into bundle/ready_made.csv. `make models-wheel` calls it.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ... import __version__
from ...bundle import default_bundle, describe_file, shipped_bundles, write_text, writing
from ...bundle.manifest import MANIFEST
from ...bundle.opening.ready_made import PACKAGE, TABLE, Row, ready_made
from ..run import ExportOptions, export_bundle

TARGETS = ("rknn", "all")
"""Rockchip's first: it prepares its tools, which `all` then finds."""
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Of every file in the wheel: the same files make the same bytes."""


def build_wheel(
    out: Path,
    table: Path = TABLE,
    targets: Sequence[str] = TARGETS,
    bundles: Sequence[str] = (),
    say: Callable[[str], None] = print,
) -> Path:
    """Export, pack, and write the table; returns the wheel's path.

    Args:
        bundles: names of those that ship; all of them when empty.
        table: gets one row a file; `fer-edge models add` trusts the one inside the package.

    Raises:
        GateFailed and other errors of `export_bundle`: no wheel is written then.
    """
    with tempfile.TemporaryDirectory(prefix="fer-edge-models-") as folder:
        files: dict[str, Path] = {}
        rows = []
        for name in bundles or shipped_bundles():
            made = Path(folder, name)
            for target in targets:
                export_bundle(ExportOptions(default_bundle(name), target, out=made), say)  # no copy with older ones
            for path in (MANIFEST, *(file for a in ready_made(made, name) for file in a.files)):
                files[f"{PACKAGE}/{name}/{path}"] = made / path
                rows.append(Row(name, path, *describe_file(made / path)))
        wheel = _pack(out, files)
    write_text(table, _as_csv(rows))
    return wheel


def _as_csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row.__dataclass_fields__)
    writer.writerows([row.bundle, row.path, row.sha256, row.size] for row in rows)
    return text.getvalue()


def _pack(out: Path, files: Mapping[str, Path]) -> Path:
    """A wheel of these files, by the packaging standard (PEP 427)."""
    info = f"{PACKAGE}-{__version__}.dist-info"
    texts = {
        f"{PACKAGE}/__init__.py": '"""Ready-made artifacts: fer-edge models add WHEEL."""\n',
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: fer-edge-models\nVersion: {__version__}\n"
        "Summary: Ready-made artifacts of the models that ship with fer-edge\nLicense: Apache-2.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: fer-edge\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    content = {name: text.encode() for name, text in texts.items()}
    record = [f"{name},{_record(data)}" for name, data in content.items()]
    wheel = out / f"{PACKAGE}-{__version__}-py3-none-any.whl"
    with writing(wheel) as place, zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, path in files.items():
            record.append(f"{name},{_record(path.read_bytes())}")
            zipped.writestr(zipfile.ZipInfo(name, EPOCH), path.read_bytes(), zipfile.ZIP_DEFLATED)
        content[f"{info}/RECORD"] = ("\n".join([*record, f"{info}/RECORD,,"]) + "\n").encode()
        for name, data in content.items():
            zipped.writestr(zipfile.ZipInfo(name, EPOCH), data, zipfile.ZIP_DEFLATED)
    return wheel


def _record(data: bytes) -> str:
    """Hash and size of a file, as RECORD states them."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return f"sha256={digest},{len(data)}"


def main() -> None:
    """Build the wheel into dist/."""
    wheel = build_wheel(Path("dist"))
    print(f"{wheel}: {wheel.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
