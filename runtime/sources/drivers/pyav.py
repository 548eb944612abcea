"""Files and network streams through PyAV, FFmpeg's own API. Self-contained: Python 3.10, numpy, PyAV 14.2
or newer for streams and 16.1 for every file.

`Decoder` gives the pictures of an open container as a person would see them: fields woven together, turned upright,
pixels made square. `sources/video.py` reads files with it; camera_child.py opens streams with `open`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain, pairwise
from typing import Any

import numpy as np

OPEN_S, READ_S = 10.0, 10.0
"""FFmpeg's own patience with a stream; the parent's deadline may come first."""
LIVE = {"fflags": "nobuffer"}
"""Without it, low_delay and the one thread, GStreamer's RTSP server gives first pictures 0.95 s old and later ones
0.10 s; with them 0.05 and 0.04 s (640 x 480 and 1280 x 720, 30 a second, from an encoder that keeps none back)."""
PROMPT = ("rtsp:", "rtsps:", "udp:", "rtp:", "tcp:", "srt:")
"""What has no beginning: pictures that were read to find out what it is are over. A film over HTTP keeps them."""
KEY_WAIT, LIVE_KEY_WAIT = 250, 60
"""Pictures that a key frame is waited for, after the beginning or damage: until then they are made from others that are
not there. A stream that refreshes itself line by line never has one, and one that loses packets must go on."""
REFUSED = {
    "HTTPUnauthorizedError": "the user name or password is wrong (401)",
    "HTTPForbiddenError": "this user may not see it (403)",
    "HTTPNotFoundError": "the camera answers, but has nothing at that path (404)",
}
"""What trying again, or another way, does not mend."""
NO_VIDEO = "no video came; the address or password is wrong, or the camera is off"
NO_TIMES = 0x80
"""AVFMT_NOTIMESTAMPS of FFmpeg's avformat.h."""
GUESSED = ("gif", "apng")
"""Containers that state no duration: FFmpeg takes that of what is there."""
LEAP = 3
"""Packets of MPEG-TS among which a key frame comes when nothing is missing though its counter leapt, and one more."""
REUSED = 1280 * 720 * 3
"""Bytes of the largest picture whose memory is kept for the next."""
_ONE = 1 << 16
Matrix = tuple[int, int, int, int]
UPRIGHT: Matrix = (1, 0, 0, 1)
_TURNS = {
    (-1, 0, 0, -1): ["hflip", "vflip"],
    (-1, 0, 0, 1): ["hflip"],
    (1, 0, 0, -1): ["vflip"],
    (0, 1, -1, 0): ["transpose=clock"],
    (0, -1, 1, 0): ["transpose=cclock"],
    (0, 1, 1, 0): ["transpose=cclock_flip"],
    (0, -1, -1, 0): ["transpose=clock_flip"],
}
"""a, b, c, d of a display matrix, x' = ax + cy and y' = bx + dy with y downwards -> what turns the picture so."""


class Decoder:
    """Decodes the first video of a container; a picture that was not decoded whole is never given.

    Attributes:
        timed: False where the container has no times: those of its pictures are counted at a rate that is guessed.
        fps, count: frames a second, 0 where they are not stated, and in all, None where they are not.
        duration_s: that it states, or 0.
        reached_s: where the last packet of any of its streams ends.
        damaged: how many pictures could not be decoded.
        fault: why reading ended before the end; empty when it did not.
    """

    def __init__(self, container: Any, threads: int, low_delay: bool = False) -> None:
        """Prepare; raises LookupError when there is no video that can be decoded.

        Args:
            threads: of the decoder. A live stream takes one: each further one keeps a picture back.
            low_delay: give a picture at once and not when the next one is there.
        """
        import av
        from av.codec.context import Flags
        from av.video.reformatter import VideoReformatter

        self._av, self._container = av, container
        self._stream = _video_of(container)
        self._index = self._stream.index
        context = self._stream.codec_context
        context.thread_count, context.thread_type = threads, "AUTO" if threads != 1 else "SLICE"
        if low_delay:
            context.flags |= Flags.low_delay
        self._reformatter = VideoReformatter()  # one for all: making its tables costs as much as a picture
        own_threads = "threads" in (VideoReformatter.reformat.__doc__ or "")
        self._to_bgr = {"format": "bgr24", **({"threads": 1} if own_threads else {})}
        self._first_size = (context.width, context.height)
        _reuse_memory(3 * context.width * context.height)
        self._stated = self._stream.sample_aspect_ratio
        self._sizes: dict[tuple[Any, ...], tuple[int, int]] = {}
        self._matrix, self._interlaced = UPRIGHT, False
        self._key_wait = LIVE_KEY_WAIT if low_delay else KEY_WAIT
        self._waited, self._damage, self._torn_pts = 0, False, -math.inf
        self._begun = bool(context.name == "h264")  # which FFmpeg itself holds back until it can be decoded whole
        self._graph: Any = None
        self._graph_for: tuple[Any, ...] | None = None
        self._start_s = 0.0
        self._from: int | None = None
        self._waiting = False
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.fps = float(rate) if rate and 0 < rate < 1000 else 0.0
        self.count = self._stream.frames or None
        self.timed = not container.format.flags & NO_TIMES
        name = container.format.name
        self._counted, self._leap = name == "mpegts", 0
        self.duration_s = (container.duration or 0) / 1e6 if self.timed and name not in GUESSED else 0.0
        if name == "avi" and self.fps:  # every picture takes its time there, one that is left out too
            self.duration_s = max(self.duration_s, (self.count or 0) / self.fps)
        self.reached_s, self.damaged, self.fault = 0.0, 0, ""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that the stream states, as coded."""
        return self._first_size

    def begin_at(self, pts: int, dts: int) -> None:
        """Have the pictures begin at the key frame with these stamps; what is shown before it is not given.

        There are no pictures where no such key frame comes.
        """
        self._container.seek(dts, stream=self._stream)
        self._from, self._waiting = pts, True

    def pictures(self) -> Iterator[tuple[float | None, Any]]:
        """Seconds since the first packet, None where the stream has no times, and uint8 (H, W, 3), BGR."""
        context = self._stream.codec_context
        for packet in chain(self.packets(), [None]):  # None empties the decoder, where an end did not
            try:
                decoded = context.decode(packet) if packet is not None or self.fault else []
            except self._av.FFmpegError:
                self._lost()
                continue
            for frame in filter(self._good, decoded):
                yield from map(self._shown, self._filtered(frame))
        yield from map(self._shown, self._drained())

    def packets(self) -> Iterator[Any]:
        """Packets of the video, and at its end the empty one that empties the decoder; times of all are watched."""
        packets, first = self._container.demux(), 0.0
        ticks = {stream.index: float(stream.time_base or 0) for stream in self._container.streams}  # fractions are slow
        begun = False
        while True:
            try:
                packet = next(packets, None)
            except self._av.FFmpegError as error:
                self.fault = error.strerror or type(error).__name__
                packet = None
            if packet is None:
                return
            index, pts = packet.stream.index, packet.pts
            if pts is not None:
                tick = ticks.get(index, 0.0)
                first, begun = (first if begun else pts * tick), True
                self.reached_s = max(self.reached_s, (pts + (packet.duration or 0)) * tick - first)
            if index == self._index and not self._before(packet):
                self._watch(packet)
                yield packet

    def _before(self, packet: Any) -> bool:
        """Whether it comes, or is shown, before the key frame at which the pictures begin."""
        if self._from is None:
            return False
        self._waiting = self._waiting and not (packet.is_keyframe and packet.pts == self._from)
        return self._waiting or (packet.pts is not None and packet.pts < self._from)

    def _watch(self, packet: Any) -> None:
        """Remember what came torn: the decoder takes half a packet, and what follows one that is missing, for whole."""
        torn = packet.is_corrupt
        if self._counted:  # a counter leaps where one recording goes on in another, too: there a key frame is near
            self._leap = 0 if packet.is_keyframe else LEAP if torn else max(0, self._leap - 1)
            torn = self._leap == 1
        if torn and packet.pts is not None:
            self._torn_pts = packet.pts

    def _good(self, frame: Any) -> bool:
        """Whether it was decoded from all that it is made of."""
        if frame.is_corrupt or frame.pts == self._torn_pts:
            return self._lost()
        if not self._begun:
            self._waited += 1
            self._begun = bool(frame.key_frame) or self._waited > self._key_wait
            self.damaged += self._damage and not self._begun
        return self._begun

    def _lost(self) -> bool:
        """A picture was damaged: those after it are made from it, to the next key frame."""
        self.damaged += 1
        self._begun, self._waited, self._damage = False, 0, True
        return False

    def _filtered(self, frame: Any) -> Iterator[Any]:
        """The frame, or what comes out of FFmpeg's filters where it needs any."""
        if frame.key_frame or self._graph_for is None:
            self._matrix = _matrix_of(frame)
        self._interlaced = self._interlaced or frame.interlaced_frame
        wanted = (frame.width, frame.height, frame.format.name, self._interlaced, self._matrix)
        if wanted != self._graph_for:
            yield from self._drained()
            filters = [*(["yadif=deint=interlaced"] if self._interlaced else []), *_TURNS.get(self._matrix, [])]
            self._graph = _graph(self._av, frame, filters) if filters else None
            self._graph_for = wanted
        if self._graph is None:
            yield frame
        else:
            self._graph.push(frame)
            yield from self._pulled()

    def _drained(self) -> Iterator[Any]:
        """What the filters still hold: yadif waits for the next field."""
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pulled()
            self._graph = None

    def _pulled(self) -> Iterator[Any]:
        while True:
            try:
                yield self._graph.pull()
            except (self._av.BlockingIOError, self._av.EOFError):
                return

    def _shown(self, frame: Any) -> tuple[float | None, Any]:
        key = (frame.width, frame.height, self._matrix)
        width, height = self._sizes[key] = self._sizes.get(key) or self._square(frame.width, frame.height)
        plane = self._reformatter.reformat(frame, width, height, **self._to_bgr).planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(height, plane.line_size)  # which may end in padding
        return frame.time, np.ascontiguousarray(rows[:, : 3 * width]).reshape(height, width, 3)

    def _square(self, width: int, height: int) -> tuple[int, int]:
        """The size of a turned picture when its pixels are square: the shorter side grows, nothing is lost."""
        turned = self._matrix[0] == 0
        coded = (height, width) if turned else (width, height)
        later = self._stream.codec_context.sample_aspect_ratio  # as the decoder has it, after a change of size too
        ratio = float((self._stated if coded == self._first_size else later) or later or self._stated or 1)
        if ratio == 1 or not 0.1 < ratio < 10:
            return width, height
        wide, high = (round(coded[0] * ratio), coded[1]) if ratio > 1 else (coded[0], round(coded[1] / ratio))
        return (high, wide) if turned else (wide, high)


class Camera:
    """An open network stream.

    Attributes:
        time_s: of the last picture by the stream's own clock, None where it has none, as JPEG after JPEG by HTTP.
    """

    def __init__(self, what: str, options: dict[str, Any]) -> None:
        """Open a URL; raises PermissionError when the camera refuses us, OSError when nobody answers at the URL."""
        import av

        self._container = _opened(av, what)
        try:
            self._decoder = Decoder(self._container, threads=1, low_delay=True)
        except LookupError as error:
            raise OSError(str(error)) from None
        self._pictures = self._decoder.pictures()
        self.time_s: float | None = None

    def read(self) -> Any:
        """The next picture, BGR; None when there is none any more; raises OSError when the stream broke off."""
        time_s, image = next(self._pictures, (None, None))
        self.time_s = time_s if self._decoder.timed else None
        if image is None:
            decoder = self._decoder
            short = decoder.reached_s < 0.95 * decoder.duration_s - 0.5
            if short or (decoder.fault and not decoder.duration_s):  # HTTP without a length always ends in a fault
                why = decoder.fault or f"{decoder.reached_s:.1f} of {decoder.duration_s:.1f} s came"
                raise OSError(f"the stream broke off: {why}")
        return image

    def describe(self) -> dict[str, Any]:
        """What the stream states of itself; `duration` is 0 for what has no end."""
        width, height = self._decoder.size
        about = {"backend": "pyav", "width": width, "height": height, "fps": self._decoder.fps}
        return {**about, "duration": self._decoder.duration_s}

    def close(self) -> None:
        """Let go of it."""
        self._container.close()


def open(what: str, options: dict[str, Any]) -> Camera:
    """Open a URL; see Camera."""
    return Camera(what, options)


def _opened(av: Any, url: str) -> Any:
    """The stream; RTSP over TCP, which loses nothing, and over UDP where the camera knows no other way."""
    scheme = url.partition("//")[0].lower()
    base = dict(LIVE) if scheme in PROMPT else {}
    ways = [{"rtsp_transport": "tcp"}, {"rtsp_transport": "udp"}] if scheme.startswith("rtsp") else [{}]
    why = ""
    for way in ways:
        try:
            return av.open(url, options={**base, **way}, timeout=(OPEN_S, READ_S), metadata_errors="replace")
        except av.FFmpegError as error:  # its text has the URL, with the password
            if type(error).__name__ in REFUSED:
                raise PermissionError(REFUSED[type(error).__name__]) from None
            why = why or error.strerror or type(error).__name__
            if isinstance(error, ConnectionError):
                break
    raise OSError(f"{NO_VIDEO} ({why})")


def _reuse_memory(picture: int) -> None:
    """Have glibc keep the memory of pictures that are done with, a few of so many bytes, for the next ones.

    It gives large blocks back to the kernel, and new pages for each picture of 640 x 480 pixels cost 0.25 of 1.6 ms.
    Once a larger block was freed, it keeps smaller ones (mallopt(3), M_MMAP_THRESHOLD), and twice its size at the end
    of the heap: 22 MB for 1280 x 720. Larger pictures are left alone, for a video of 4K has to do with 500 MB.
    """
    if picture <= REUSED:
        np.empty(4 * picture, np.uint8)  # never touched, so that it takes no memory itself


def _video_of(container: Any) -> Any:
    """The first stream of pictures that is no cover of a piece of music."""
    for stream in container.streams.video:
        if stream.codec_context is not None and not stream.disposition.value & 0x400:  # AV_DISPOSITION_ATTACHED_PIC
            return stream
    raise LookupError("it holds no video that can be decoded")


def _matrix_of(frame: Any) -> Matrix:
    """How the picture is to be turned: the signs of its display matrix, without what is no multiple of 90 degrees."""
    for side in frame.side_data:
        if side.type.name == "DISPLAYMATRIX":
            m = np.frombuffer(bytes(side), "<i4")
            a, b, c, d = (int(np.sign(v)) if abs(int(v)) > _ONE // 2 else 0 for v in (m[0], m[1], m[3], m[4]))
            return (a, b, c, d) if (a, b, c, d) in _TURNS else UPRIGHT
    return UPRIGHT


def _graph(av: Any, frame: Any, filters: list[str]) -> Any:
    """Filters in a row, ready for frames of this kind."""
    from av.filter import Graph

    graph = Graph()
    base = frame.time_base or Fraction(1, 1000)
    nodes = [graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=base)]
    for text in filters:
        name, _, arguments = text.partition("=")
        nodes.append(graph.add(name, arguments or None))
    nodes.append(graph.add("buffersink"))
    for one, other in pairwise(nodes):
        one.link_to(other)
    graph.configure()
    return graph
