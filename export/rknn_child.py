"""Runs inside the interpreter that has rknn-toolkit2: builds a .rknn file, then answers pictures by its simulator.

Self-contained: Python 3.8, numpy and rknn-toolkit2; imports nothing of ours. Standard input and output carry frames, a
length of eight bytes and then as many bytes: first the settings (JSON) in, the outcome (JSON) out; then pictures
(.npy, uint8 (N, S, S, 3)) in and logits (.npy, float32 (N, classes)) out, until the input ends.
"""

import io
import json
import os
import struct
import sys
from typing import Any, BinaryIO, Dict

import numpy as np


def main() -> None:
    """Build, report, answer."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # the toolkit talks on standard output, which is ours
    settings = json.loads(receive(sys.stdin.buffer))
    try:
        toolkit = build(settings)
    except Exception as error:  # the toolkit raises what it likes; the parent shows one sentence
        send(out, json.dumps({"error": str(error).strip().split("\n")[-1] or type(error).__name__}).encode())
        return
    send(out, json.dumps({"version": toolkit_version()}).encode())
    while True:
        data = receive(sys.stdin.buffer)
        if not data:
            return
        pictures = np.load(io.BytesIO(data))
        rows = [toolkit.inference(inputs=[p[None]], data_format=["nhwc"])[0] for p in pictures]
        buffer = io.BytesIO()
        np.save(buffer, np.concatenate(rows).astype(np.float32))
        send(out, buffer.getvalue())


def build(settings: Dict[str, Any]) -> Any:
    """The toolkit with the graph loaded, quantised, exported, and its simulator started."""
    from rknn.api import RKNN

    toolkit = RKNN(verbose=False)
    toolkit.config(
        mean_values=[settings["mean"]], std_values=[settings["std"]], target_platform=settings["chip"]
    )  # in grey levels, R G B: the runtime subtracts and divides on the NPU
    for step, code in (
        ("load_onnx", lambda: toolkit.load_onnx(settings["onnx"])),
        ("build", lambda: toolkit.build(do_quantization=True, dataset=settings["dataset"])),
        ("export_rknn", lambda: toolkit.export_rknn(settings["out"])),
        ("init_runtime", toolkit.init_runtime),  # without a target: the simulator
    ):
        if code():
            raise RuntimeError("{} failed; its messages are above".format(step))
    return toolkit


def toolkit_version() -> str:
    """Version of the toolkit."""
    from importlib.metadata import version

    return version("rknn-toolkit2")


def receive(stream: BinaryIO) -> bytes:
    """The next frame, or nothing at the end."""
    head = stream.read(8)
    if len(head) < 8:
        return b""
    return stream.read(struct.unpack("<Q", head)[0])


def send(stream: BinaryIO, data: bytes) -> None:
    """Write a frame."""
    stream.write(struct.pack("<Q", len(data)) + data)
    stream.flush()


if __name__ == "__main__":
    main()
