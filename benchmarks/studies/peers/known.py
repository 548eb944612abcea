"""Who is compared: ours first, then the peers by name."""

from __future__ import annotations

from .fer import FER, FER_KERAS
from .npm import FACE_API_PEER, HUMAN_PEER
from .ours import DEFAULT, DEFAULT_FLOAT, STUDENT
from .peer import About, Elsewhere, Peer

NO_WEIGHTS = "its package holds no weights; it fetches them from another host when first used"
ELSEWHERE = (
    Elsewhere(About("deepface", "0.0.103", "MIT", 0, ""), NO_WEIGHTS),
    Elsewhere(About("emotiefflib", "1.1.1", "Apache-2.0", 0, ""), NO_WEIGHTS),
    Elsewhere(About("rmn", "3.3.0", "MIT", 0, ""), NO_WEIGHTS),
)
"""Packages of the same kind on PyPI. Their wheels of these versions were looked through: none has a weights file."""
PEERS: tuple[Peer, ...] = (DEFAULT, DEFAULT_FLOAT, STUDENT, FACE_API_PEER, HUMAN_PEER, FER, FER_KERAS, *ELSEWHERE)
