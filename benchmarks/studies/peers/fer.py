"""PyPI `fer`: a mini-Xception in TensorFlow, in an environment of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ....errors import DeviceNotFound
from ....export.targets.environment import base_python, make, python_steps, ready
from .child import ChildSession
from .peer import About, Say, folder_of

VERSION = "25.10.3"
PYTHONS = ((3, 11), (3, 12), (3, 13), (3, 10))
"""Pythons that this TensorFlow has wheels for, the one it was tried with first."""
TENSORFLOW = "2.21.0"
NEEDS = (
    f"tensorflow-cpu=={TENSORFLOW}; platform_machine == 'x86_64'",
    f"tensorflow=={TENSORFLOW}; platform_machine != 'x86_64'",
    "opencv-python-headless==4.12.0.88",
)
"""What its expression net runs on. The package itself is installed without its list, which has MTCNN, torch and moviepy
in it for its face detector and its videos."""
CHILD = Path(__file__).with_name("fer_child.py")
SETTINGS = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
"""For the child; its thread pools are limited by itself, too."""
INPUT = "grey, OpenCV's bilinear to 64, -1..1; without the margin that it adds to a detector's box"


@dataclass(frozen=True)
class FerPeer:
    """One of the two models that the package carries.

    Attributes:
        model: `tflite` or `keras`.
    """

    about: About
    model: str

    def missing(self) -> str:
        """See Peer."""
        if ready(_folder()) or base_python(PYTHONS):
            return ""
        return "TensorFlow needs Python 3.10 to 3.13, and there is none here"

    def prepare(self, say: Say) -> None:
        """See Peer; about 1.7 GB, nearly all of it TensorFlow, shared by both models."""
        folder, python = _folder(), base_python(PYTHONS)
        if not ready(folder) and not python:
            raise DeviceNotFound(self.missing(), hint="pyenv install 3.11")
        patience = ("--retries", "1", "--timeout", "30")
        make(folder, python_steps(python, folder, f"fer=={VERSION}", NEEDS, *patience), say)

    def open(self) -> ChildSession:
        """See Peer."""
        python = _folder() / "bin" / "python"
        return ChildSession(self.about.name, [python, "-I", CHILD, self.model], SETTINGS)


def _folder() -> Path:
    return folder_of(f"fer-{VERSION}-tensorflow-{TENSORFLOW}")


FER = FerPeer(About("fer", VERSION, "MIT", 64, f"its default, a quantised TFLite model; {INPUT}"), "tflite")
FER_KERAS = FerPeer(
    About("fer, Keras", VERSION, "MIT", 64, f"`use_tflite=False`, called eagerly, as it does; {INPUT}"), "keras"
)
