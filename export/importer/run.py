"""From a model file of another tool to a bundle: read, guess, wrap, hold against the original, and pack."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...bundle import Artifact, Bundle, InputSpec, Manifest, describe_file, parity, save_bundle, sha256_of
from ...bundle.logits import logits_from, outputs_of, softmax
from ...bundle.manifest import CARD
from ...bundle.model_card import model_card
from ...bundle.portraits import portraits
from ...errors import ConversionFailed, UsageError
from ...runtime.inference.classifier import Classifier
from ..gate import FLOAT
from ..job import version_of
from ..onnx import folded, import_onnx
from .affine import Affine, first_layer
from .form import Foreign, Form, Say, form_of, keep_labels
from .opset import to_opset
from .read import read_model
from .trial import Preparation, Smiles, choose, doubts, said_by
from .wrap import merge_pads, wrap

ROUNDED = 0.01
"""What probabilities may be off by: a graph quantised to 8 bits rounds them to 1/256, and its softmax is cut off."""


@dataclass(frozen=True)
class ImportOptions:
    """A model of another tool, and what is known of it; what is None is guessed, and said.

    Attributes:
        path: an .onnx, .tflite or .pt2 file.
        labels: of its outputs, in their order, in any words.
        layout: nchw or nhwc.
        color: rgb, bgr or gray.
        size: side of its picture in pixels.
        mean, std: taken from a picture's values before the model sees them, and what the rest is divided by; one
            number or one a channel, in grey levels or as fractions of 255.
        outputs: logits or probabilities.
        licence: of the model; source: where it comes from.
        out: the bundle folder; None makes one in this folder, called like the file.
    """

    path: Path
    labels: tuple[str, ...]
    layout: str | None = None
    color: str | None = None
    size: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    outputs: str | None = None
    licence: str = ""
    source: str = ""
    out: Path | None = None


@dataclass(frozen=True)
class Imported:
    """The bundle, what was guessed of the model, and what speaks against a guess or against what was said."""

    bundle: Bundle
    guessed: tuple[str, ...]
    warnings: tuple[str, ...]


def import_model(options: ImportOptions, on_notice: Callable[[str], None] = lambda line: None) -> Imported:
    """Make a bundle of a foreign model: uint8 RGB NHWC in, logits out, everything else inside the graph.

    Args:
        on_notice: told every guess and every warning.

    Raises:
        UsageError, InputError: what was said is not so, or does not suffice; LabelMismatch, UnsupportedGraph: it is no
        model of one picture and these labels; ConversionFailed, MissingExtra, OutputError: as they say.
    """
    if len(set(options.labels)) != len(options.labels) or len(options.labels) < 2:
        raise UsageError(
            f"--labels names {', '.join(options.labels) or 'nothing'}",
            cause="a model has at least two labels, each with a name of its own",
            hint="fer-edge bundle import model.onnx --labels angry,disgust,fear,happy,neutral,sad,surprise",
        )
    guessed: list[str] = []

    def guess(line: str) -> None:
        guessed.append(line)
        on_notice(f"guessed: {line}")

    model = read_model(options.path, options.size)
    form = form_of(model, options.layout, options.color, options.size, guess)
    keep_labels(model, form, options.labels, guess)
    model, stays = to_opset(_folded(model))
    merge_pads(model)
    foreign = Foreign(model, form)
    preparation, outputs, warnings = _understand(options, foreign, guess)
    if stays:
        warnings.append(f"{stays}; ONNX Runtime runs it, older devices will not, and not every export takes it")
    for line in warnings:
        on_notice(f"warning: {line}")
    entry = preparation.entry(form)
    wrapped = wrap(model, form, first_layer(model, form, entry), outputs)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        import_onnx().save(wrapped, str(work / "model.onnx"))
        manifest = _manifest(options, form, preparation, outputs, work, guessed, warnings)
        _hold(Bundle(work, manifest), foreign, entry, outputs)
        (work / CARD).write_text(model_card(manifest), encoding="utf-8")
        files = {name: work / name for name in ("model.onnx", CARD)}
        bundle = save_bundle(options.out or Path(options.path.stem), manifest, files)
    return Imported(bundle, tuple(guessed), tuple(warnings))


def _folded(model: Any) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fixed.onnx"
        import_onnx().save(model, str(path))
        return folded(str(path))


def _understand(options: ImportOptions, foreign: Foreign, guess: Say) -> tuple[Preparation, str, list[str]]:
    """How the model wants its pictures, what it gives, and what speaks against either."""
    form = foreign.form
    color = options.color or ("gray" if form.channels == 1 else "rgb")
    if options.color is None:
        guess(f"color {color}, from its {form.channels} channel{'s' * (form.channels > 1)}")
    said = said_by(color, options.mean, options.std, form, guess)
    outputs = _outputs(options, foreign, said or Preparation(color, (0.0,), (1.0,)), guess)
    smiles = Smiles(foreign, options.labels, outputs)
    preparation = choose(form, smiles, said, color, guess)
    return preparation, outputs, doubts(options.labels, smiles, preparation)


def _outputs(options: ImportOptions, foreign: Foreign, preparation: Preparation, guess: Say) -> str:
    """logits or probabilities, as said or by the answers; raises UsageError where these are not what was said."""
    rows = foreign.rows(preparation.entry(foreign.form).apply(np.stack(portraits(foreign.form.size)[:8])))
    seen = outputs_of(rows)
    found = "logits" if seen == "logits" else "probabilities"
    if options.outputs is None:
        guess(f"outputs {found}, from its answers{', which do not sum to 1' if seen == 'sigmoids' else ''}")
    elif options.outputs == "probabilities" and ((rows < 0) | (rows > 1)).any():
        raise UsageError(
            f"the model's answers reach from {rows.min():.2g} to {rows.max():.2g}, so they are no probabilities",
            hint="the same command with --outputs logits",
        )
    return options.outputs or found


def _manifest(
    options: ImportOptions,
    form: Form,
    preparation: Preparation,
    outputs: str,
    work: Path,
    guessed: Sequence[str],
    warnings: Sequence[str],
) -> Manifest:
    digest, length = describe_file(work / "model.onnx")
    tools = {tool: version_of(tool) for tool in ("fer-edge", "onnx")}
    artifact = Artifact("model.onnx", "onnx", "float32", digest, length, built_with=tools)
    mean, std = (", ".join(f"{v:g}" for v in values) for values in (preparation.mean, preparation.std))
    normalise = f"{preparation.color}, ({mean}) taken off, divided by ({std}), as {form.layout}"
    about = {
        "file": options.path.name,
        "sha256": sha256_of(options.path),
        "source": options.source,
        "outputs": outputs,
        "guessed": list(guessed),
        "warnings": list(warnings),
    }
    spec = InputSpec(size=form.size, normalise=normalise)
    provenance = {"weights": "given", "imported": about}
    return Manifest(options.path.stem, "1", options.labels, spec, (artifact,), {}, provenance, options.licence)


def _hold(bundle: Bundle, foreign: Foreign, entry: Affine, outputs: str) -> None:
    """Hold the wrapped graph against the foreign one on all portraits; raises ConversionFailed."""
    crops = np.stack(portraits(foreign.form.size))
    classifier = Classifier(bundle, bundle.reference)
    ours = classifier.answers(crops)
    classifier.close()
    theirs = foreign.rows(entry.apply(crops))
    limit = FLOAT.logit_error
    if outputs == "probabilities":
        theirs, ours, limit = softmax(logits_from(theirs)), softmax(ours), ROUNDED
    off = parity(theirs, ours)["logit_error"]
    if not off <= limit:
        raise ConversionFailed(
            f"the bundle's graph does not answer like the model: its answers are off by {off:.2g}",
            cause="a layer was changed when the graph was rewritten",
            hint="the same command with --debug, and send us what it prints",
        )
