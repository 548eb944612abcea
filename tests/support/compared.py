"""Studies with effects that we know, as runs write them: the real store, the real register, no pictures."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from fer_edge.bundle import LABELS
from fer_edge.runtime.storage.session import StoreSink
from fer_edge.runtime.study.folder import ConsentForm, Study, StudySettings, init_study
from fer_edge.runtime.study.register import writing
from fer_edge.runtime.types import Frame, Observation
from support.planted import BEGAN, IMAGE, row

FPS, FRAMES = 2, 40
"""Frames a second, and of a session unless told otherwise."""
DAY_MS = 86_400_000
BEGAN_MS = round(BEGAN.timestamp() * 1000)
MODEL = "a" * 64


@dataclass(frozen=True)
class Planted:
    """A session: whose, when, and which share of its frames shows which label; the rest is neutral."""

    subject: str
    condition: str
    day: float
    shares: Mapping[str, float] = field(default_factory=dict)
    frames: int = FRAMES
    facts: Mapping[str, Any] = field(default_factory=dict)
    unfinished: bool = False
    seconds: float = 0.0

    @property
    def folder(self) -> str:
        """Its folder's name."""
        began = datetime.fromtimestamp(self.began_ms / 1000)
        return f"{began:%Y%m%d-%H%M%S}-{self.subject}-{self.condition}"

    @property
    def began_ms(self) -> int:
        """When."""
        return BEGAN_MS + round(self.day * DAY_MS)


def plant_study(folder: Path, sessions: Sequence[Planted], conditions: Sequence[str] = ()) -> Study:
    """A study's folder with these sessions in it; every subject of theirs is in the register."""
    study = init_study(folder, StudySettings("Planted", tuple(conditions), consent=ConsentForm()))
    with writing(study) as register, register.transaction():
        ids = {code: register.add_subject(code).id for code in dict.fromkeys(s.subject for s in sessions)}
        for s in sessions:
            session, ended = uuid.uuid4().hex, s.began_ms + round((s.seconds or s.frames / FPS) * 1000)
            values = (session, s.folder, s.condition, "", s.began_ms, None if s.unfinished else ended)
            register.write("INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)", *values)
            register.write("INSERT INTO participants VALUES (?, ?, 0)", session, ids[s.subject])
            _store(study.sessions / s.folder, s, session)
    return study


def _store(folder: Path, s: Planted, session: str) -> None:
    facts = {"labels": list(LABELS), "source": "camera 0", "live": True, "started_wall_ms": s.began_ms}
    facts |= {"bundle": "planted 1", "artifact": "model (float32)", "artifact_sha256": MODEL, "detector": "yunet"}
    facts |= {"smoother": "exponential", "infer_every_s": 0.0, "resting": None, "subjects": [s.subject]}
    sink = StoreSink(folder, {**facts, "session": session, **s.facts})
    for i, label in enumerate(_shown(s)):
        seen = Observation(i, i / FPS, 1, label, 0.8, label, row(label), (0.0, 0.0, 9.0, 9.0), "", s.subject)
        sink.write(Frame(i, i / FPS, IMAGE), [seen] if label else [])
    sink.note({"frames": s.frames, "ended": "source ended"})
    sink.close()


def _shown(s: Planted) -> list[str]:
    """One stretch a label, as near to its share as frames allow; the last frames are neutral."""
    shown: list[str] = []
    for label, share in s.shares.items():
        shown += [label] * round(float(np.clip(share, 0, 1)) * s.frames)
    return (shown + ["neutral"] * s.frames)[: s.frames]


def random_shares(draw: np.random.Generator, base: Mapping[str, float], spread: float) -> dict[str, float]:
    """Shares around those of a subject, as they differ from session to session: normal, of that standard deviation."""
    return {label: share + spread * draw.normal() for label, share in base.items()}
