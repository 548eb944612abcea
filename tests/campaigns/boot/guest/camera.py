"""Runs in the guest: shows frames on the virtual HDMI output whose picture the virtual camera takes.

The driver is vivid. With its control "Loop Video" a camera of kind HDMI shows what an output of kind HDMI is given,
when both have the same timings, size and pixel format; otherwise a test pattern. Numbers are of linux/videodev2.h.
"""

import fcntl
import mmap
import struct
import sys

CAPTURE, OUTPUT, MMAP = 1, 2, 1
WIDTH, HEIGHT = 640, 480
BGR24 = struct.unpack("<I", b"BGR3")[0]
PROGRESSIVE = 1
NEXT_CONTROL = 0x80000000
SRGB = 8
BUFFER = struct.Struct("<IIIII4x16x16xIIQIIi4x")


def number(direction, command, size):
    """An ioctl's number: 1 writes to the driver, 3 writes and reads."""
    return direction << 30 | size << 16 | ord("V") << 8 | command


def call(device, direction, command, data):
    """One ioctl; the driver's answer."""
    answer = bytearray(data)
    fcntl.ioctl(device, number(direction, command, len(answer)), answer)
    return answer


def take_timings(device):
    """640x480 at 59.94 Hz, progressive: the first format of CEA-861. The driver takes none that is not in its list."""
    porches = (16, 96, 48, 10, 2, 33, 0, 0, 0)
    timings = struct.pack("<I4IQ9I", 0, WIDTH, HEIGHT, 0, 0, 25175000, *porches)
    call(device, 3, 87, timings.ljust(132, b"\0"))


def take_format(device, kind):
    """Blue, green, red: the first format that OpenCV asks a camera for."""
    pixels = (WIDTH, HEIGHT, BGR24, PROGRESSIVE, WIDTH * 3, WIDTH * HEIGHT * 3, SRGB)
    answer = call(device, 3, 5, struct.pack("<I4x7I", kind, *pixels).ljust(208, b"\0"))
    width, height, code = struct.unpack_from("<3I", answer, 8)
    if (width, height, code) != (WIDTH, HEIGHT, BGR24):
        raise SystemExit(f"the driver wants {width} x {height}, format {code:#x}")


def set_controls(device):
    """The camera takes the output's picture, writes nothing over it, and leaves out pictures: 9 a second are enough."""
    wanted = {b"Loop Video": 1, b"OSD Text Mode": 2, b"Percentage of Dropped Buffers": 85}
    control = 0
    while wanted:
        query = struct.pack("<I", control | NEXT_CONTROL).ljust(68, b"\0")
        answer = call(device, 3, 36, query)  # OSError after the last control: vivid has none of that name
        (control,) = struct.unpack_from("<I", answer)
        value = wanted.pop(bytes(answer[8:40]).split(b"\0")[0], None)
        if value is not None:
            call(device, 3, 28, struct.pack("<Ii", control, value))


def buffer(index, used=0, memory=MMAP):
    return BUFFER.pack(index, OUTPUT, used, 0, PROGRESSIVE, 0, memory, 0, 0, 0, 0)


def main():
    with open(sys.argv[1], "rb") as file:
        frames = file.read()
    size = WIDTH * HEIGHT * 3
    count = len(frames) // size
    with open("/dev/video0", "r+b", buffering=0) as camera, open("/dev/video1", "r+b", buffering=0) as shown:
        call(camera, 3, 39, struct.pack("<i", 0))
        call(shown, 3, 47, struct.pack("<i", 0))
        for device, kind in ((camera, CAPTURE), (shown, OUTPUT)):
            take_timings(device)
            take_format(device, kind)
        set_controls(camera)
        call(shown, 3, 8, struct.pack("<5I", count, OUTPUT, MMAP, 0, 0))
        for index in range(count):
            answer = BUFFER.unpack(call(shown, 3, 9, buffer(index)))
            place = mmap.mmap(shown.fileno(), answer[8], offset=answer[7])
            place[:size] = frames[index * size : (index + 1) * size]
            call(shown, 3, 15, buffer(index, size))
        call(shown, 1, 18, struct.pack("<i", OUTPUT))
        while True:  # whichever buffer was shown is shown again
            index = BUFFER.unpack(call(shown, 3, 17, buffer(0)))[0]
            call(shown, 3, 15, buffer(index, size))


if __name__ == "__main__":
    main()
