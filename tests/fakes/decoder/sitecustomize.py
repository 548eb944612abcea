"""Stands in for a decoder that some files crash: Python loads it at its start from PYTHONPATH, in workers too.

What happens when a file is opened goes by its name: `poison*` ends the process as a fault in C would, `once*` the first
time as the system does when memory is short, and `held*` waits until a file `go` lies beside it.
"""

import os
import signal
import sys
import time


def opened(event, words):
    """An audit hook: Python calls it before each file that it opens."""
    if event != "open" or not isinstance(words[0], (str, os.PathLike)):
        return
    path = os.fspath(words[0])
    folder, name = os.path.split(path) if isinstance(path, str) else ("", "")
    if not name.endswith(".mp4"):
        return
    if name.startswith("poison"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if name.startswith("once") and not os.path.exists(path + ".seen"):
        os.mkdir(path + ".seen")
        os.kill(os.getpid(), signal.SIGKILL)
    while name.startswith("held") and not os.path.exists(os.path.join(folder, "go")):
        time.sleep(0.02)


sys.addaudithook(opened)
