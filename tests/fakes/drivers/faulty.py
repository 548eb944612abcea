"""A camera that does what its name says: gives pictures, hangs, crashes, lies. Python 3.9.

`what` is one word, or several joined by a comma that are done one after another, a picture each; the last goes on.
`options` may have `flag`, a file: while it is absent the camera is not there.
"""

import ctypes
import os
import time

import numpy as np

SHAPES = {
    "grey": (48, 64),
    "grey1": (48, 64, 1),
    "bgra": (48, 64, 4),
    "two": (48, 64, 2),
    "dot": (1, 1, 3),
    "odd": (479, 641, 3),
    "big": (1080, 1920, 3),
    "small": (48, 64, 3),
}


class Faulty:
    def __init__(self, what, options):
        self.words, self.options, self.count = what.split(","), options, 0
        if self.words[0] == "deaf":
            time.sleep(600)
        self.check()

    def check(self):
        if "flag" in self.options and not os.path.exists(self.options["flag"]):
            raise LookupError("no camera is there")

    def read(self):
        word = self.words[min(self.count, len(self.words) - 1)]
        self.count += 1
        if "flag" in self.options and not os.path.exists(self.options["flag"]):
            return None
        if word == "hang":
            time.sleep(600)
        if word == "crash":
            print("libcam: about to fall over", flush=True)
            ctypes.string_at(0)
        if word == "leak":
            print("libcam: cannot go on with", self.options["url"], flush=True)
            os._exit(1)
        if word == "exit":
            os._exit(7)
        if word == "raise":
            raise RuntimeError("the sensor said no\nand more")
        if word == "garbage":
            for descriptor in range(3, 10):
                try:
                    os.write(descriptor, b"\xff" * 64)
                except OSError:
                    pass
        if word == "talk":
            print("a library that talks on standard output" * 5000, flush=True)
        if word == "cut":
            for descriptor in range(3, 10):
                try:
                    os.ftruncate(descriptor, 16)
                except OSError:
                    pass
        if word == "end":
            return None
        if word == "float":
            return np.zeros((4, 4, 3), np.float32)
        time.sleep(self.options.get("every_s", 0.005))
        if word in ("same", "black"):
            return np.full(SHAPES["small"], 100 if word == "same" else 1, np.uint8)
        return np.random.default_rng(self.count).integers(0, 256, SHAPES.get(word, SHAPES["small"]), np.uint8)

    def describe(self):
        return {"backend": "faulty", "width": 64, "height": 48, "fps": 30.0}

    def close(self):
        if "stuck" in self.words:
            time.sleep(600)


def open(what, options):
    return Faulty(what, options)
