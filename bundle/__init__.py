"""The contract between the stages: a model with its labels, input spec, hashes and history. Needs numpy only."""

from ..files import cache_folder, locked, sha256_of, write_text, writing, writing_folder
from .bundle import (
    Bundle,
    add_artifacts,
    added_bundle,
    default_bundle,
    describe_file,
    find_bundle,
    open_bundle,
    save_bundle,
    shipped_bundles,
)
from .labels import LABELS
from .logits import Logits, parity, softmax
from .manifest import Artifact, InputSpec, Manifest
from .preprocess import Image, face_crop, whole_image

__all__ = [
    "LABELS", "Artifact", "Bundle", "Image", "InputSpec", "Logits", "Manifest", "add_artifacts", "added_bundle",
    "cache_folder", "default_bundle", "describe_file", "face_crop", "find_bundle", "locked", "open_bundle", "parity",
    "save_bundle", "sha256_of", "shipped_bundles", "softmax", "whole_image", "write_text", "writing", "writing_folder",
]  # fmt: skip
