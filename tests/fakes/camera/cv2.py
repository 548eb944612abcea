"""Stands for OpenCV with one V4L2 camera, number 0: the part of cv2.VideoCapture that our driver calls.

As V4L2 cameras do, it takes the nearest of the sizes it has, and says which.
"""

import numpy as np

CAP_V4L2, CAP_FFMPEG = 200, 1900
CAP_PROP_FRAME_WIDTH, CAP_PROP_FRAME_HEIGHT, CAP_PROP_FPS, CAP_PROP_BUFFERSIZE = 3, 4, 5, 38
WIDTHS = {320: 240, 640: 480, 1280: 720}


def setNumThreads(nthreads):
    pass


class VideoCapture:
    def __init__(self, index, apiPreference=0):
        assert apiPreference == CAP_V4L2
        self.open = index == 0
        self.values = {CAP_PROP_FRAME_WIDTH: 640.0, CAP_PROP_FRAME_HEIGHT: 480.0, CAP_PROP_FPS: 30.0}

    def isOpened(self):
        return self.open

    def set(self, propId, value):
        if propId == CAP_PROP_FRAME_WIDTH:
            value = float(min(WIDTHS, key=lambda width: abs(width - value)))
            self.values[CAP_PROP_FRAME_HEIGHT] = float(WIDTHS[int(value)])
        if propId != CAP_PROP_FRAME_HEIGHT:
            self.values[propId] = value
        return True

    def get(self, propId):
        return self.values.get(propId, 0.0)

    def getBackendName(self):
        return "V4L2"

    def read(self, image=None):
        size = int(self.values[CAP_PROP_FRAME_HEIGHT]), int(self.values[CAP_PROP_FRAME_WIDTH])
        return True, np.full((*size, 3), int(self.values[CAP_PROP_BUFFERSIZE]), np.uint8)

    def release(self):
        self.open = False
