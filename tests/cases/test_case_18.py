"""Case 18: a graph that ends in softmax gives probabilities; they are told and taken as they are."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

Command = Callable[..., subprocess.CompletedProcess[str]]


def test_probabilities_are_said_and_taken(shared_case: Callable[[int], Path], command: Command) -> None:
    bundle = shared_case(18) / "bundle"
    assert "model.onnx gives probabilities, not logits" in command("bundle", "check", bundle).stdout
    done = command("run", "--bundle", bundle, "--source", "demo:2")
    assert "expressions: happy 100%" in done.stdout, done.stderr
    assert "gives probabilities, not logits" in done.stderr + done.stdout
