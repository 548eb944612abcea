"""A camera that speaks RTSP (RFC 2326) on loopback: 30 pictures a second, each with its number in it."""

from __future__ import annotations

import base64
import re
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

FPS, BITS, BLOCK = 30, 12, 40
SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=eye\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\nc=IN IP4 127.0.0.1\r\n"
    "a=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\na=control:track\r\n"
)


def numbered(number: int) -> NDArray[np.uint8]:
    """A picture that shows a number as black and white fields."""
    image = np.full((240, 320, 3), 128, np.uint8)
    for bit in range(BITS):
        y, x = divmod(bit, 6)
        image[y * BLOCK : (y + 1) * BLOCK, x * BLOCK : (x + 1) * BLOCK] = 255 if number >> bit & 1 else 0
    return image


def number_in(image: NDArray[np.uint8]) -> int:
    """The number that a picture shows."""
    spots = [divmod(bit, 6) for bit in range(BITS)]
    return sum(1 << bit for bit, (y, x) in enumerate(spots) if image[y * BLOCK + 20, x * BLOCK + 20, 1] > 128)


@lru_cache
def coded(count: int) -> list[list[bytes]]:
    """H.264 units of so many numbered pictures, with a key frame every half a second."""
    import av

    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = 320, 240, "yuv420p", FPS
    encoder.options = {"g": "15", "tune": "zerolatency", "preset": "ultrafast", "x264-params": "slices=1"}
    pictures = [av.VideoFrame.from_ndarray(numbered(n), format="bgr24") for n in range(count)]
    packets = [bytes(packet) for frame in [*pictures, None] for packet in encoder.encode(frame)]
    return [[unit for unit in re.split(rb"\x00\x00\x00?\x01", packet) if unit] for packet in packets]


def rtp(units: list[bytes], number: int, sequence: int) -> Iterator[bytes]:
    """RTP packets of a picture (RFC 6184); large units go in fragments."""
    parts: list[bytes] = []
    for unit in units:
        if len(unit) < 1200:
            parts.append(unit)
            continue
        pieces = [unit[at : at + 1200] for at in range(1, len(unit), 1200)]
        for place, piece in enumerate(pieces):
            ends = (0x80 if place == 0 else 0) | (0x40 if place == len(pieces) - 1 else 0)
            parts.append(bytes([unit[0] & 0xE0 | 28, ends | unit[0] & 0x1F]) + piece)
    for place, part in enumerate(parts):
        marker = 0x80 if place == len(parts) - 1 else 0
        stamp = number * 90_000 // FPS & 0xFFFFFFFF
        yield struct.pack(">BBHII", 0x80, marker | 96, sequence + place & 0xFFFF, stamp, 7) + part


class Talk(socketserver.StreamRequestHandler):
    """One client."""

    server: RtspCamera

    def handle(self) -> None:
        self.ways: tuple[int, ...] = ()
        while request := self.rfile.readline().decode():
            heads: dict[str, str] = {}
            while line := self.rfile.readline().decode().strip():
                name, _, value = line.partition(":")
                heads[name.lower()] = value.strip()
            if not self.answer(request.split()[0], heads):
                return

    def answer(self, verb: str, heads: dict[str, str]) -> bool:
        camera, more, body, status = self.server, "", "", "200 OK"
        if camera.login and heads.get("authorization") != "Basic " + base64.b64encode(camera.login.encode()).decode():
            camera.refused += 1
            status, more = "401 Unauthorized", 'WWW-Authenticate: Basic realm="eye"\r\n'
        elif verb == "DESCRIBE":
            body, more = SDP, f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n"
        elif verb == "SETUP":
            way = heads["transport"]
            camera.asked.append("tcp" if "TCP" in way else "udp")
            if camera.asked[-1] in camera.ways:
                found = re.search(r"client_port=(\d+)", way)
                self.ways = (int(found[1]),) if found else ()
                more = f"Session: 1\r\nTransport: {way}{';server_port=9-10' if found else ''}\r\n"
            else:
                status = "461 Unsupported Transport"
        elif verb == "OPTIONS":
            more = "Public: DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        self.wfile.write(f"RTSP/1.0 {status}\r\nCSeq: {heads['cseq']}\r\n{more}\r\n{body}".encode())
        if verb == "PLAY" and status == "200 OK":
            self.play()
        return verb not in ("PLAY", "TEARDOWN")

    def play(self) -> None:
        camera, sequence, begin_s = self.server, 0, time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for number, units in enumerate(coded(camera.count)):
                time.sleep(max(0.0, begin_s + number / FPS - time.monotonic()))
                camera.sent = number
                for packet in rtp(units, number, sequence):
                    sequence += 1
                    if self.ways:
                        out.sendto(packet, ("127.0.0.1", self.ways[0]))
                    else:
                        self.request.sendall(b"$\0" + struct.pack(">H", len(packet)) + packet)
                if camera.off.is_set():
                    return


class RtspCamera(socketserver.ThreadingTCPServer):
    """Sends `count` pictures to whoever asks and hangs up.

    `asked` has the transports that it was asked for, `sent` the number of the picture that was sent last.
    """

    allow_reuse_address = daemon_threads = True

    def __init__(self, count: int = 120, login: str = "", ways: tuple[str, ...] = ("tcp", "udp")) -> None:
        super().__init__(("127.0.0.1", 0), Talk)
        self.count, self.login, self.ways = count, login, ways
        self.asked: list[str] = []
        self.refused = self.sent = 0
        self.off = threading.Event()
        coded(count)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def place(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no fault."""

    def __exit__(self, *raised: object) -> None:
        self.off.set()
        self.shutdown()
        self.server_close()
