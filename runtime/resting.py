"""What `--resting` names, opened; and the resting faces that are kept by name."""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ..bundle import Bundle, write_text
from ..bundle.resting import ANEW, RestingProfile, logs, neutral_of
from ..errors import InputError, UsageError
from ..files import read_text, user_folder
from .figures.without_rest import STORED_LEAST
from .inference.mirrored import MirroredClassifier
from .pipeline import FaceClassifier
from .sources import open_source
from .storage import store_path
from .storage.session import open_session
from .types import Observation
from .vision.detectors import Detector
from .vision.quality_gate import unsuitable
from .vision.resting_face import FirstSeconds, KnownRest, OwnRest, RestingFace
from .vision.seating import Seating, SubjectsRest

LONGEST_S = 60.0
"""Nobody holds a face for longer."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def open_resting(
    words: RestingProfile | Path | str, bundle: Bundle, detector: Detector, classifier: FaceClassifier
) -> RestingFace:
    """Whatever is named, for this model; what exists as a file or folder is that.

    Args:
        words: `first:2s`, `own:60s`, a picture or a folder of pictures, a session's folder, a profile's file or name.

    Raises:
        UsageError: the model has no label `neutral`, or the words are none of these; InputError: no face, or one of
        another model.
    """
    neutral_of(bundle.labels)
    model = bundle.reference.sha256
    if isinstance(words, RestingProfile):
        words.check_model(bundle.labels, model)
        return KnownRest(words, "a profile")
    path = Path(words)
    if str(words) and path.exists():  # an empty word is the path of this folder
        profile = _profile_in(path, bundle, detector, classifier)
        profile.check_model(bundle.labels, model)
        return KnownRest(profile, path.name or str(path))
    kind, _, seconds = str(words).partition(":")
    if kind in ("first", "own"):
        longest = LONGEST_S if kind == "first" else 3600.0
        time_s = _seconds(str(words), seconds, longest)
        return FirstSeconds(bundle.labels, time_s, model) if kind == "first" else OwnRest(bundle.labels, time_s)
    profile = load_profile(str(words))
    profile.check_model(bundle.labels, model, str(words))
    return KnownRest(profile, str(words))


def subjects_rest(files: Mapping[str, Path], seating: Seating, bundle: Bundle) -> SubjectsRest:
    """What a study keeps of its subjects, by subject, for this model; raises UsageError, InputError."""
    profiles = {subject: _read_profile(path) for subject, path in files.items()}
    for subject, profile in profiles.items():
        try:
            profile.check_model(bundle.labels, bundle.reference.sha256)
        except InputError as error:
            raise InputError(
                f"{subject}: {error.message}",
                cause="the bundle was trained anew or exchanged since, or --bundle names another",
                hint=f"rm {shlex.quote(str(files[subject]))}  # and the same command with --resting first:2s",
            ) from None
    return SubjectsRest(profiles, seating)


def check_use(resting: RestingFace, source: str, still: bool, save: str | None) -> None:
    """Whether a run of this source can use it, and keep it under the name `save`; raises UsageError."""
    if still and resting.timed:
        raise UsageError(
            f"{source} is pictures, which have no first seconds and nothing that a face mostly shows",
            cause=f"--resting {resting.describe()['from']} is for a film or a camera",
            hint=f"fer-edge run {shlex.quote(source)} --resting PICTURE  # of the same person at rest",
        )
    if save is not None:
        profile_path(save)
        if isinstance(resting, OwnRest):
            resting.profile()  # says why there is none, before the run and not after it


def profile_path(name: str) -> Path:
    """Where the profile of that name is kept: fer-edge/resting below $XDG_CONFIG_HOME or ~/.config.

    Raises UsageError: it is no name.
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} is no name for a resting face",
            cause="a name has letters, digits, - and _",
            hint=ANEW.replace("NAME", "anna"),
        )
    return user_folder("XDG_CONFIG_HOME", ".config") / "fer-edge" / "resting" / f"{name}.json"


def save_profile(name: str, profile: RestingProfile) -> Path:
    """Keep a profile, for its user alone to read, in the place of one of that name; raises UsageError, OutputError."""
    path = profile_path(name)
    write_text(path, profile.to_json(), private=True)
    return path


def load_profile(name: str) -> RestingProfile:
    """The profile of that name; raises UsageError, which tells the names that there are, InputError."""
    known = sorted(path.stem for path in profile_path("any").parent.glob("*.json"))
    if name not in known:
        raise UsageError(
            f"--resting {name}: there is no such picture, folder, session or kept resting face",
            cause=f"kept are: {', '.join(known)}" if known else "none is kept yet",
            hint=f"the same command with --resting {known[0]}" if known else ANEW,
        )
    return _read_profile(profile_path(name))


def _seconds(words: str, text: str, longest: float) -> float:
    number = re.fullmatch(r"(\d{1,4}(?:\.\d+)?)\s?s?", text)
    if not number or not 0 < float(number[1]) <= longest:
        kind = words.partition(":")[0]
        what = f"--resting {words}: as in {kind}:2s, of at most {longest:g} s"
        raise UsageError(what, hint=f"fer-edge run camera:0 --resting {kind}:2s")
    return float(number[1])


def _profile_in(path: Path, bundle: Bundle, detector: Detector, classifier: FaceClassifier) -> RestingProfile:
    """Of a file or folder."""
    if path.suffix == ".json":
        return _read_profile(path)
    if store_path(path).is_file() or path.name == store_path(path).name:
        return _of_session(path, bundle)
    return _of_pictures(path, bundle, detector, MirroredClassifier(classifier))


def _read_profile(path: Path) -> RestingProfile:
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}", hint=f"ls -l {shlex.quote(str(path))}") from None
    return RestingProfile.from_json(text, str(path))


def _of_pictures(path: Path, bundle: Bundle, detector: Detector, classifier: FaceClassifier) -> RestingProfile:
    """The largest face of each picture; those without one that can be read are left out."""
    source = open_source(str(path))
    try:
        if not source.still:
            raise UsageError(
                f"{path} is a film, and --resting takes pictures",
                cause="nobody is at rest in all of a film",
                hint=f"fer-edge run {shlex.quote(str(path))} --resting first:2s --resting-save NAME",
            )
        rows = []
        for frame in source:
            faces = detector.detect(frame.image)
            if faces:
                largest = max(faces, key=lambda face: face.box[2] * face.box[3])
                crop = classifier.crop(frame.image, largest)
                if not unsuitable(largest, crop, (frame.image.shape[1], frame.image.shape[0])):
                    rows.append(classifier.probabilities(crop[None])[0])
    finally:
        source.close()
    if not rows:
        raise InputError(
            f"no face that can be read was found in {path}, which --resting says is of somebody at rest",
            cause="there is none, or it is too small, turned away, blurred or hidden",
            hint=f"fer-edge run {shlex.quote(str(path))} --detector yunet --detect-width 0",
        )
    return RestingProfile.of(logs(np.stack(rows)), bundle.labels, bundle.reference.sha256)


def _of_session(folder: Path, bundle: Bundle) -> RestingProfile:
    """The median of what the face that was longest in view showed; of pictures, the largest face of each."""
    session = open_session(folder)
    facts = session.facts
    if facts.get("resting"):
        raise UsageError(
            f"in the session {folder} a resting face was taken off already",
            cause="what was left says nothing of the face at rest",
            hint="fer-edge run SOURCE --out DIR  # without --resting, and take that session",
        )
    ours = {artifact.sha256 for artifact in bundle.manifest.artifacts}
    if facts.get("artifact_sha256") not in ours or session.labels != bundle.labels:
        raise InputError(
            f"the session {folder} was made with another model than the one that runs",
            cause=f"it says {facts.get('bundle', 'nothing of its model')}",
            hint="fer-edge run SOURCE --out DIR --replace  # the same source, with this model",
        )
    seen = _of_one_face([o for o in session.observations() if o.probabilities], session.still)
    if not seen:
        raise InputError(f"the session {folder} has no face in it", hint=f"fer-edge report {folder}")
    rows = np.maximum([o.probabilities for o in seen], STORED_LEAST).astype(np.float32)
    seconds = 0.0 if session.still else round(seen[-1].time_s - seen[0].time_s, 3)
    return RestingProfile.of(logs(rows), bundle.labels, bundle.reference.sha256, seconds)


def _of_one_face(seen: Sequence[Observation], still: bool) -> list[Observation]:
    groups: defaultdict[int, list[Observation]] = defaultdict(list)
    for observation in seen:
        groups[observation.frame if still else observation.track].append(observation)
    if still:
        return [max(group, key=lambda o: o.box[2] * o.box[3]) for group in groups.values()]
    return max(groups.values(), key=len, default=[])
