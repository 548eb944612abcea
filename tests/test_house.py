"""The house's own rules: who may import whom, no cycles, no work at import, what a wheel carries."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest
from conftest import SLOW
from support.old_pythons import bare_python
from support.source_rules import ROOT, cycle, graph, imports, modules, work_at_import

FLOORS = {
    "bundle": {"bundle"},
    "devices": {"bundle", "devices"},
    "runtime": {"bundle", "devices", "runtime"},
    "devices.flash": {"bundle", "devices", "runtime"},
    "devices.update": {"bundle", "devices", "runtime"},
    "fleet": {"bundle", "devices", "runtime", "fleet"},
    "export": {"bundle", "devices", "runtime", "export"},
    "train": {"bundle", "devices", "runtime", "export", "train"},
    "benchmarks": {"bundle", "devices", "runtime", "export", "train", "benchmarks"},
    "cli": {"bundle", "devices", "runtime", "export", "train", "benchmarks", "fleet", "cli"},
}
"""Room -> rooms that it may import from. Flash and update stand on the runtime; what else is in devices, below it."""
UPSTAIRS = ("devices.flash", "devices.update")
ROOMS = tuple(room for room in FLOORS if "." not in room)
EVERYBODYS = {
    "archives",
    "errors",
    "files",
    "installation",
    "language",
    "opencv",
    "toml_schema",
    "words",
    "__version__",
}
"""Files beside the rooms that every room may import."""
TRAINING = ("torch", "timm", "tensorflow", "mlflow", "albumentations")
MAX_FILES = 14
"""Python files of a folder, so that a listing is read at a glance; cli has one a verb."""
MIN_LINES = 30
"""A shorter file has something of its own in it: it is no door to another."""
ALONE = {"opencv.py", "runtime/sources/drivers/opencv.py", "benchmarks/studies/peers/fer_child.py"}
"""Who imports OpenCV itself: the one for all, and two that run in a Python without fer-edge."""
MODULES = modules(ROOT, ROOMS)
SCRIPTS = ("benchmarks/studies/", "runtime/config/page.py", "export/table.py")
"""Commands of this repository's own pages and studies (python -m ...), which are no verbs."""


def files(room: str) -> list[Path]:
    """The room's own files; what is upstairs in devices is not its."""
    found = sorted((ROOT / room.replace(".", "/")).rglob("*.py"))
    return found if room in UPSTAIRS else [path for path in found if _room(path) not in UPSTAIRS]


def _room(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).parts[:2])


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("room", FLOORS)
def test_nothing_imports_upwards(room: str) -> None:
    for path in files(room):
        for name in (n for n in imports(path) if n.startswith("fer_edge.")):
            floor = name.split(".")[1]
            assert floor in FLOORS[room] | EVERYBODYS, f"{named(path)} imports {name}"
            if room not in (*UPSTAIRS, "export", "train", "benchmarks", "fleet", "cli"):
                assert not name.removeprefix("fer_edge.").startswith(UPSTAIRS), f"{named(path)} imports {name}"


def test_the_files_that_all_import_need_nobody_but_errors_which_know_how_to_install() -> None:
    for path in ROOT.glob("*.py"):
        ours = {n.split(".")[1] for n in imports(path) if n.startswith("fer_edge.")}
        if path.stem in EVERYBODYS:
            assert ours <= {"errors", "installation"} - {path.stem}, path.name


def test_no_files_import_each_other_in_a_circle() -> None:
    """Not even inside functions; the package's own __init__ is left out, from which all take the version."""
    edges = graph({name: path for name, path in MODULES.items() if name != "fer_edge"})
    assert cycle(edges) == []


def test_a_circle_is_seen(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    texts = {
        "__init__": "from .a import one",
        "a": "from . import b\none = 1",
        "b": "def late():\n    from .c import three",
        "c": "from typing import TYPE_CHECKING\nfrom . import a\nif TYPE_CHECKING:\n    from .d import four",
        "d": "from . import c\nfrom .e import five",
        "e": "from . import one\nfive = 5",
    }
    for name, text in texts.items():
        (room / f"{name}.py").write_text(text)
    edges = graph(modules(tmp_path, ("room",)), tmp_path)
    assert cycle(edges) == ["fer_edge.room.a", "fer_edge.room.b", "fer_edge.room.c"]
    (room / "b.py").write_text("from .e import five")
    edges = graph(modules(tmp_path, ("room",)), tmp_path)
    assert cycle(edges) == ["fer_edge.room", "fer_edge.room.a", "fer_edge.room.b", "fer_edge.room.e"]


def test_a_folder_is_read_at_a_glance() -> None:
    counts = Counter(path.parent for path in MODULES.values() if path.parent != ROOT / "cli")
    assert {named(folder): n for folder, n in counts.items() if n > MAX_FILES} == {}


def test_no_file_is_only_a_door_to_another() -> None:
    doors = []
    for path in MODULES.values():
        text = path.read_text()
        own = [n for n in ast.parse(text).body if not isinstance(n, (ast.Import, ast.ImportFrom, ast.Expr))]
        if named(path) in ALONE:
            continue
        if len(text.splitlines()) < MIN_LINES and all(ast.unparse(n).startswith("__all__ = ") for n in own):
            doors += [named(path)] if path.stem != "__init__" else []
    assert doors == []


def test_all_threads_load_opencv_by_one_door() -> None:
    assert {named(path) for path in MODULES.values() if "cv2" in imports(path)} == ALONE
    loaders = """
import sys, threading, time, numpy
sys.setswitchinterval(1e-6)  # so that a thread comes in between
wrong, enough = [], time.monotonic() + 1
def load():
    while time.monotonic() < enough and not wrong:
        try:
            from fer_edge.opencv import cv2
            cv2.data, cv2.imencode
        except Exception as error:
            wrong.append(error)
threads = [threading.Thread(target=load) for _ in range(6)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
assert not wrong, wrong
"""
    subprocess.run([sys.executable, "-c", loaders], check=True)


def test_only_the_front_door_knows_the_command_line() -> None:
    below = {named(path): path for path in MODULES.values() if path.parent != ROOT / "cli"}
    assert [n for n, path in below.items() if not n.startswith(SCRIPTS) and "argparse" in imports(path)] == []


def test_in_a_verb_only_run_takes_parsed_arguments() -> None:
    """And what a sub-verb of it runs: a function that `run` calls, or that the parser names for it."""
    others = {}
    for path in sorted((ROOT / "cli").glob("*.py")):
        tree = ast.parse(path.read_text())
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        takers = {f.name for f in functions if any("Namespace" in ast.unparse(a) for a in f.args.args)}
        allowed = {"run"} | {n.id for f in functions if f.name == "run" for n in ast.walk(f) if isinstance(n, ast.Name)}
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func).endswith("set_defaults"):
                allowed |= {ast.unparse(keyword.value) for keyword in call.keywords}
        others[named(path)] = takers - allowed
    assert {name: names for name, names in others.items() if names} == {}


@pytest.mark.parametrize("room", ["bundle", "devices", "runtime"])
def test_the_device_side_never_imports_training_libraries(room: str) -> None:
    for path in files(room):
        assert not [n for n in imports(path) if n.split(".")[0] in TRAINING], path


def test_a_run_loads_no_training_library(tmp_path: Path) -> None:
    script = (
        "import sys\nfrom fer_edge.cli.main import main\nassert main(['run', '--source', 'demo:0.2']) == 0\n"
        f"found = [m for m in {(*TRAINING, 'matplotlib', 'onnx')!r} if m in sys.modules]\nassert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_backends_stand_alone() -> None:
    for path in (ROOT / "runtime" / "backends").glob("*.py"):
        if path.name != "__init__.py":
            assert not [n for n in imports(path) if n.startswith("fer_edge")], path


def test_backends_parse_on_python_3_6() -> None:
    old = bare_python("3.6") or pytest.skip("no Python 3.6 on this machine")
    for path in (ROOT / "runtime" / "backends").glob("*.py"):
        if path.name != "__init__.py":
            compile_it = "import sys; compile(open(sys.argv[1]).read(), sys.argv[1], 'exec')"
            done = subprocess.run([old, "-c", compile_it, path], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr


def test_modules_do_nothing_when_imported() -> None:
    work = {named(path): work_at_import(path.read_text()) for path in MODULES.values()}
    assert work.pop("export/__init__.py") == ["25: changes sys.modules[__name__].__class__"]  # the API's function, too
    assert {name: found for name, found in work.items() if found} == {}


@pytest.mark.parametrize(
    "line",
    [
        "X = subprocess.run(['ls'])",
        "sys.path[:0] = ['/somewhere']",
        "os.environ['A'] = 'b'",
        "cv2.threads = 1",
        "if True:\n    start()",
        "if sys.version_info >= (3, 11):\n    start()",
        "def start() -> int:\n    return os.getpid()\nX = start()",
        "class A:\n    x = open('a')",
        "class A:\n    def b(self, x=os.getcwd()): ...",
        "@register('a')\ndef b(): ...",
        "X = [Path(p).read_text() for p in names]",
        "X = Popen(['ls'])",
        "X, Y = os.pipe()",
        "try:\n    import a\nexcept ImportError:\n    start()",
        "for x in range(3): ...",
        "with open('a') as b: ...",
        "a += 1",
        "print('x')",
    ],
)
def test_work_at_import_is_seen(line: str) -> None:
    assert work_at_import(line)


def test_what_is_no_work_passes() -> None:
    text = '''"""Words."""
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from .settings import Settings
if TYPE_CHECKING:
    from a import b
if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib
HERE: Path = Path(__file__).resolve().with_name("a")
WORDS = frozenset("a b".split())
LATER = lambda: start()
GIVEN = Settings(1, table={"a": re.compile("b")})
def double(x: int = max(1, 2)) -> int:
    return sum([x, x])
TWO = double(1)
@dataclass(frozen=True)
class A(Settings):
    b: list = field(default_factory=list)
    def c(self): os.getpid()
if __name__ == "__main__":
    sys.exit(main())
'''
    assert work_at_import(text) == []


def test_what_is_called_slow_is_there() -> None:
    for entry in SLOW:
        path, _, name = entry.partition("::")
        assert (ROOT / path).is_dir() or name.rpartition("::")[2] in (ROOT / path).read_text(), entry


def test_committed_text_names_no_registry_and_no_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    hosts = re.compile(
        "|".join(["pypi" + r"\.org", "files\\.python" + "hosted", "registry\\.npm" + "js", "/wo" + "rk/"])
    )
    for name in listed.stdout.split("\n"):
        path = ROOT / name
        if path.is_file() and path.suffix in {".py", ".md", ".toml", ".txt", ".json", "", ".yml", ".sh"}:
            assert not hosts.search(path.read_text(errors="ignore")), name


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("build", reason="needs the dev extra")
    folder = tmp_path_factory.mktemp("wheel")
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)  # an older build's files would be packed, too
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(folder.glob("*.whl"))


def test_wheel_holds_the_product_and_no_tests(wheel: Path) -> None:
    assert wheel.stat().st_size <= 50e6  # the three models and their int8 graphs are 47 MB of it
    names = zipfile.ZipFile(wheel).namelist()
    assert not [n for n in names if "tests" in n or n.endswith(".db") or "build/" in n]
    assert "fer_edge/locale/es.po" in names
    rooms = {path.parent for path in ROOT.glob("*/__init__.py")} - {ROOT / "tests"}
    files = [path for room in rooms for path in room.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    lacking = {str(path.relative_to(ROOT)) for path in [*files, ROOT / "py.typed"]} - {
        n.removeprefix("fer_edge/") for n in names
    }
    assert not lacking, "a checkout has it and who installs the wheel has not"
    metadata = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith("METADATA"))).decode()
    base = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    named = {re.split(r"[ <>=;]", line.split(": ")[1])[0] for line in base}
    assert named == {"numpy", "onnxruntime", "opencv-python-headless", "polib", "threadpoolctl", "tomli", "tqdm"}


def test_wheel_runs_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """As a user would: a fresh venv, the wheel and what it asks for, then a picture source that needs no extra."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    pins = ["-c", str(ROOT / "constraints.txt")]
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *pins, wheel], capture_output=True, text=True, timeout=540
    )
    if done.returncode and "connection broken" in done.stderr:
        pytest.skip("no network, by which pip could fetch the base packages")
    assert done.returncode == 0, done.stderr
    import cv2
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    writer = cv2.VideoWriter(str(tmp_path / "a.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (320, 240))
    for _ in range(10):
        writer.write(noise)
    writer.release()
    command = [tmp_path / "venv" / "bin" / "fer-edge", "run", "--source", "a.mp4", "--out", "s", "--video"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "a.mp4: 10 frames" in done.stdout
    assert (tmp_path / "s" / "annotated.webm").is_file()
    listed = subprocess.run([python, "-m", "pip", "list"], capture_output=True, text=True).stdout.lower()
    assert not [n for n in ("torch", "tensorflow", "matplotlib", "scikit-image", "mlflow") if n in listed]
