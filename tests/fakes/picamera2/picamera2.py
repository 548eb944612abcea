"""Stands for picamera2 under the system's Python: the calls our driver makes, with their documented names and defaults.

The environment says what the camera does: FAKE_PICAMERA counts cameras (1 when unset).
"""

# ruff: noqa: B006  (the defaults are the real ones)
import os
import time

import numpy as np


class Picamera2:
    def __init__(self, camera_num=0, verbose_console=None, tuning=None, allocator=None):
        cameras = [{"Num": n} for n in range(int(os.environ.get("FAKE_PICAMERA", "1")))]
        self.number = cameras[camera_num]["Num"]  # the real one raises IndexError too
        self.config, self.started, self.count = None, False, 0

    def create_video_configuration(
        self, main={}, lores=None, raw={}, transform=None, colour_space=None, buffer_count=6, controls={},
        display="main", encode="main", queue=True, sensor={}, use_case="video",
    ):  # fmt: skip
        wrong = set(main) - {"format", "size", "stride", "preserve_ar"}
        if wrong:
            raise ValueError("Bad key '{}' in stream configuration".format(wrong.pop()))
        main = {"format": "XBGR8888", "size": (1280, 720), **main}
        return {"main": main, "controls": {"FrameDurationLimits": (33333, 33333), **controls}}

    def configure(self, camera_config="preview"):
        if self.started:
            raise RuntimeError("Camera must be stopped before configuring")
        size = camera_config["main"]["size"]
        if type(size) is not tuple or size[0] % 2 or size[1] % 2:
            raise RuntimeError("width and height should be even")
        self.config = camera_config

    def camera_configuration(self):
        return self.config

    def start(self, config=None, show_preview=False):
        if self.config is None:
            raise RuntimeError("Camera has not been configured")
        self.started = True

    def capture_array(self, name="main", wait=None, signal_function=None):
        if not self.started:
            raise RuntimeError("Camera not started")
        time.sleep(self.config["controls"]["FrameDurationLimits"][0] / 1e6)
        self.count += 1
        width, height = self.config[name]["size"]
        channels = {"RGB888": 3, "XBGR8888": 4}[self.config[name]["format"]]
        picture = np.zeros((height, width, channels), np.uint8)
        picture[:, :, 0] = 200  # RGB888 is blue first in an array
        picture[0, 0, 1] = self.count % 256
        return picture

    def stop(self):
        self.started = False

    def close(self):
        self.stop()
        print("picamera2: closed", flush=True)
