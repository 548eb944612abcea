"""What a run came to: as text for people, in their language, and as the object that `--json` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..language import tr, trn

if TYPE_CHECKING:
    from ..runtime.run import SessionSummary
    from ..runtime.shares import FaceTime


def as_json(summary: SessionSummary) -> dict[str, Any]:
    """A summary as the object that `--json` prints."""
    return {
        "source": summary.source,
        "ended": summary.ended,
        "frames": summary.frames,
        "faces": summary.faces,
        "not_finite": summary.not_finite,
        "subjects": dict(summary.subjects),
        "unsuitable": dict(summary.unsuitable),
        "people": None if summary.still else summary.shares.people,
        "faces_at_once": summary.shares.at_once,
        "seconds": round(summary.seconds, 3),
        "frames_per_second": round(summary.frames / max(summary.seconds, 1e-6), 2),
        "stage_seconds": {k: round(v, 4) for k, v in summary.stage_seconds.items()},
        "expressions": summary.expressions,
        "without_face": round(summary.shares.without_face, 4),
        "per_face": [] if summary.still else [_face_json(face) for face in summary.shares.faces],
        "device": summary.device,
        "detector": summary.detector,
        "resting": summary.resting,
        "outputs": {k: str(v) for k, v in summary.outputs.items()},
        "skipped": summary.skipped,
        "dropped": summary.dropped,
        "streams": summary.streams,
    }


def _face_json(face: FaceTime) -> dict[str, Any]:
    return {"face": face.track, "seconds": round(face.seconds, 3), "expressions": dict(face.expressions)}


def _who(summary: SessionSummary) -> str:
    """How many people, not in how many frames."""
    people, most = summary.shares.people, summary.shares.at_once
    if summary.still:
        return trn(summary.faces, "face")
    words = trn(people, "person", "people")
    return words + (f" ({tr('at most {most} at once', most=most)})" if people > most else "")


def _shown(summary: SessionSummary) -> list[str]:
    """Shares of time, together and of the faces that were longest in view."""
    shares = summary.shares
    if not shares.faces:
        return [_told("expressions", tr("none") if summary.not_finite else tr("no face was seen"))]
    of = tr("{shares} of faces") if summary.still else tr("{shares} of the time with a face")
    what = tr("no face in {share} of the pictures") if summary.still else tr("no face in {share} of the time")
    without = "; " + what.format(share=f"{shares.without_face:.0%}") if shares.without_face_s else ""
    lines = [_told("expressions", of.format(shares=_percent(shares.expressions)) + without)]
    if summary.still or len(shares.faces) == 1:
        return lines
    for f in shares.faces[:8]:
        name = tr("face {number}", number=f.track)
        lines.append(f"{name + ':':12} {f.seconds:.1f} s: {_percent(f.expressions)}")
    more = len(shares.faces) - 8
    left = tr("and {faces} more, shorter in view", faces=trn(more, "face"))
    return lines + ([f"{'':12} {left}"] if more > 0 else [])


def _told(key: str, text: str) -> str:
    return f"{tr(key) + ':':12} {text}"


def _percent(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{tr(label)} {share:.0%}" for label, share in shares.items())


def _rested(resting: Mapping[str, Any]) -> str:
    """Which resting face was taken off, and how many faces of."""
    if "learnt" not in resting:
        return tr("what each face mostly showed in {seconds} s was taken off it", seconds=f"{resting['seconds']:g}")
    source = f"{resting['from']} ({trn(resting['pictures'], 'picture')})"
    if not resting["learnt"]:
        return tr("{source}: no face was seen in that time, and nothing was taken off", source=source)
    each = tr("each its own") if resting["learnt"] > 1 else tr("the same for each") if resting["faces"] > 1 else ""
    said = [
        tr("{source} taken off {faces}", source=source, faces=trn(resting["faces"], "face")) + (each and f", {each}")
    ]
    if resting["left"]:
        said.append(tr("{faces} that came later left as seen", faces=trn(resting["left"], "face")))
    if resting["doubtful"]:
        said.append(tr("it looks like an expression, and no longer shows: was the face at rest?"))
    return "; ".join(said)


def _choice(device: Mapping[str, Any]) -> str:
    """Who chose the device, where the library did, and what it was to take before."""
    if not device.get("asked"):
        return ""
    choice = tr("the choice of {asked}", asked=device["asked"])
    over = tr("which passed over {others}", others=device["passed_over"]) if device.get("passed_over") else ""
    return f" ({choice}{over and ', ' + over})"


def _whose(subjects: Mapping[str, int]) -> str:
    """How often each subject's face was seen, and faces that were nobody's."""
    seen = [tr("{code} in {frames}", code=code, frames=trn(n, "frame")) for code, n in subjects.items() if code]
    other = subjects.get("", 0)
    nobody = "; " + tr("{faces} beside them, nobody's", faces=trn(other, "face")) if other else ""
    return (", ".join(seen) or tr("none was seen")) + nobody


def as_text(summary: SessionSummary, name: str) -> str:
    """A summary for people; `name` is the device as it was asked for."""
    lines = [_first(summary)]
    if summary.interrupted:
        lines.append(_told("ended", tr(summary.ended)))
    lines += [*_shown(summary), _device(summary)]
    if summary.subjects:
        lines.append(_told("subjects", _whose(summary.subjects)))
    if summary.resting:
        lines.append(_told("at rest", _rested(summary.resting)))
    lines += [*_device_was(summary.device, name), *_left_out(summary)]
    lines += [_told("streams", line) for line in summary.streams]
    return "\n".join([*lines, *(_told(key, str(path)) for key, path in summary.outputs.items())])


def _first(summary: SessionSummary) -> str:
    """What, how much of it, who, how fast."""
    rate = f"{summary.frames / max(summary.seconds, 1e-6):.1f}"
    frames = trn(summary.frames, "picture") if summary.still else trn(summary.frames, "frame")
    told = tr(
        "{frames}, {people} in {seconds} s", frames=frames, people=_who(summary), seconds=f"{summary.seconds:.1f}"
    )
    return f"{summary.source}: {told} ({rate} {tr('pictures/s') if summary.still else tr('frames/s')})"


def _device(summary: SessionSummary) -> str:
    device = summary.device
    on = tr("{backend} on {device}", backend=f"{device['backend']} {device['version']}", device=device["device"])
    threads, finds = trn(device.get("threads", 1), "thread"), tr("detector {name}", name=summary.detector)
    return _told("device", f"{on}{_choice(device)}, {device['precision']}, {threads}; {finds}")


def _device_was(device: Mapping[str, Any], name: str) -> list[str]:
    """How it was reached and tuned, and whether it failed; `name` is the device as it was asked for."""
    lines = [_told(key, device[key]) for key in ("connection", "tuned") if device.get(key)]
    if device.get("degraded") or device.get("restarts"):
        now = tr("degraded: the processor stood in for it") if device.get("degraded") else tr("it came back")
        restarts, fault = trn(device["restarts"], "restart"), tr("last fault: {fault}", fault=device["last_fault"])
        lines.append(f"{name + ':':12} {now}; {restarts}; {fault}")
    return lines


def _left_out(summary: SessionSummary) -> list[str]:
    """What was not read, and why."""
    lines = []
    if summary.unsuitable:
        ranked = sorted(summary.unsuitable.items(), key=lambda kv: -kv[1])
        times, reasons = sum(summary.unsuitable.values()), ", ".join(f"{tr(why)} {n}" for why, n in ranked)
        told = tr("a face was not read {times} ({reasons}); --quality-gate off reads every one")
        lines.append(_told("unsuitable", told.format(times=trn(times, "time"), reasons=reasons)))
    if summary.not_finite:
        told = tr("{faces}, the model's answer was no finite number (NaN)", faces=trn(summary.not_finite, "face"))
        lines.append(_told("left out", told))
    lines += [_told("left out", line) for line in summary.skipped]
    if summary.dropped:
        told = tr("{frames}, which came while earlier ones were looked at", frames=trn(summary.dropped, "frame"))
        lines.append(_told("dropped", told))
    return lines
