"""Runs in the guest with the installed site: what comes through V4L2, and what the model answers; one line of JSON.

    check.py FRAMES MODEL CROPS

FRAMES are those that guest/camera.py shows, CROPS a .npy of uint8 NHWC; the answer holds the logits of each.
"""

import json
import os
import platform
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"
SHAPE = (480, 640, 3)


def camera(frames):
    import cv2

    capture = cv2.VideoCapture(0, cv2.CAP_V4L2)
    same = []
    for _ in range(5):
        got, picture = capture.read()
        same.append(bool(got) and any((picture == frame).all() for frame in frames))
    capture.release()
    return {"opencv": cv2.__version__, "exactly_shown": same}


def logits(model, crops):
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    rows = [session.run(None, {name: crop[None]})[0][0].astype(float).tolist() for crop in crops]
    return {"onnxruntime": onnxruntime.__version__, "logits": rows}


def main():
    import numpy

    frames = numpy.fromfile(sys.argv[1], numpy.uint8).reshape(-1, *SHAPE)
    said = {"machine": platform.machine(), **camera(frames), **logits(sys.argv[2], numpy.load(sys.argv[3]))}
    print(json.dumps(said))


if __name__ == "__main__":
    main()
