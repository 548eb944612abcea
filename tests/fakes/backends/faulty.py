"""A backend that does what its artifact's name says: answers, crashes, hangs, talks nonsense. Python 3.6."""

import ctypes
import os
import time

import numpy as np


class Faulty(object):
    def __init__(self, how):
        self.how, self.calls = how, 0

    def infer(self, batch):
        self.calls += 1
        if self.how == "crash" and self.calls > 1:
            print("libfaulty: about to fall over", flush=True)
            ctypes.string_at(0)
        if self.how == "hang" and self.calls > 1:
            time.sleep(600)
        if self.how == "exit":
            os._exit(7)
        if self.how == "garbage":
            for descriptor in range(3, 10):
                try:
                    os.write(descriptor, b"\xff" * 64)
                except OSError:
                    pass
        if self.how == "memory":
            raise MemoryError()
        if self.how == "talk":
            print("a library that talks on standard output" * 100)
        return np.full((len(batch), 7), batch.mean(), np.float32)

    def describe(self):
        return {"backend": "faulty", "how": self.how, "version": "1", "device": "none"}

    def close(self):
        pass


def open(artifact, options):
    how = os.path.basename(artifact)
    if how == "unreadable":
        raise ValueError("not a graph at all")
    if how == "absent":
        raise ImportError("No module named 'vendor'")
    return Faulty(how)
