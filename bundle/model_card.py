"""The model card: what a bundle's model is, what it was trained on, how good it is and where it fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..words import counted
from .labels import common_names
from .manifest import Manifest

_MEANING = """An expression is what a
face does, not what a person feels. Inferring emotions at work or in education is prohibited in the EU (AI Act,
Art. 5(1)(f))."""
_NOT_FOR = "Not for decisions about a person: not for medicine, hiring, policing, schooling or credit."


def model_card(manifest: Manifest) -> str:
    """Markdown, written from the manifest alone, so that the card cannot say what was not measured."""
    metrics, history = manifest.metrics, manifest.provenance
    if "imported" in history:
        return _imported_card(manifest, history["imported"])
    recipe = history.get("recipe", {})
    data = history.get("data", {})
    names = ", ".join(manifest.labels)
    return f"""# Model card: {manifest.name} {manifest.version}

Recognises {_number(manifest)} facial **expressions** ({names}) in one cropped face. {_MEANING}

## Model
{recipe.get("backbone", "?")}, {manifest.input.size} x {manifest.input.size} uint8 RGB in, logits out; normalisation
({manifest.input.normalise}) is inside the graph. Recipe `{recipe.get("name", "?")}`; initial weights:
{history.get("init", "random")}; {_some(history.get("epochs_run"), "epoch")}, best {history.get("best_epoch", "?")}.
{_made_on(history)}{_recalibrated(history)}{_files(manifest)}
## Data and terms
{data.get("name", "?")}: {data.get("train", "?")} training, {data.get("valid", "?")} validation and
{data.get("test", "?")} test pictures; digest `{str(data.get("digest", "?"))[:16]}`.
Training targets: {data.get("targets", "?")}.
Terms: {manifest.licence}

## How good it is
Measured on `{metrics.get("set", "?")}` ({_some(metrics.get("images"), "picture")}) through the runtime's own backends.

{_not_scored(metrics)}{_summary(manifest)}
{_per_label(metrics)}
{_second(metrics)}
{_unseen(metrics)}{_with_rest(metrics)}{_by_group(metrics)}
## Limits
{_weakest(metrics)}
- {_pictures(data)} {_measured_groups(metrics)} Expect it to be worse on people, angles and
  light that are rare in these pictures.
- {_outside(manifest)} and anything else outside the {_number(manifest)} labels is forced into one of them.
- A single frame is noisy; use the smoothed label, and take `uncertain` seriously.
- {_NOT_FOR}
"""


def _imported_card(manifest: Manifest, about: Mapping[str, Any]) -> str:
    """The card of another tool's model, of which nobody told us how it was trained or how good it is."""
    given = (
        "It gives probabilities. Logits here are what its softmax takes, or else their logarithms, of 0.000001 "
        "where a probability is less."
        if about["outputs"] == "probabilities"
        else "The model gives logits, as they are here."
    )
    return f"""# Model card: {manifest.name} {manifest.version}

Imported from `{about["file"]}` (SHA-256 `{about["sha256"]}`).
Source: {about["source"] or "not told"}
Terms: {manifest.licence or "not told; ask its authors before you use or pass it on"}

Names {_number(manifest)} facial **expressions** ({", ".join(manifest.labels)}) in one cropped face. {_MEANING}

## Model
{manifest.input.size} x {manifest.input.size} uint8 RGB in, logits out. Inside the graph the picture is prepared as the
model wants it: {manifest.input.normalise}.
{given}
{_files(manifest)}
{_list("Guessed, and not told by whoever imported it", about["guessed"])}
{_list("Warnings", about["warnings"])}
## How good it is
Nothing was told of the data it was trained with. `fer-edge evaluate --bundle FOLDER --data FACES` measures it.
{_with_rest(manifest.metrics)}{_by_group(manifest.metrics)}{_measured_groups(manifest.metrics)}
{_NOT_FOR}
"""


def _list(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"## {title}", *(f"- {line}" for line in lines)]) + "\n" if lines else ""


def _number(manifest: Manifest) -> str:
    words = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")  # a manifest has two at least
    return dict(enumerate(words, 2)).get(len(manifest.labels), str(len(manifest.labels)))


def _some(number: int | None, noun: str) -> str:
    """A count that may not be known."""
    return f"? {noun}s" if number is None else counted(number, noun)


def _made_on(history: Mapping[str, Any]) -> str:
    """How long the training took and on what, where the manifest says it: older ones do not."""
    minutes, on = history.get("minutes"), history.get("hardware")
    if minutes is None or not on:
        return ""
    where = " and ".join([f"{on.get('processor', 'unknown')}, {counted(on['cores'], 'core')}", *on.get("gpus", [])])
    return f"Trained in {minutes:.0f} minutes of wall clock on {where}.\n"


def _recalibrated(history: Mapping[str, Any]) -> str:
    """What was fitted without training, since."""
    return "".join(
        f"Then recalibrated, from {done['from']} on `{done['on']}`: neutral's logit raised by "
        f"{done['neutral_raised']:.2f}, temperature {done['temperature']:.2f}.\n"
        for done in history.get("recalibrated", [])
    )


def _outside(manifest: Manifest) -> str:
    return "Pain, tiredness" if "contempt" in common_names(manifest.labels) else "Contempt, pain, tiredness"


def _not_scored(metrics: Mapping[str, Any]) -> str:
    """What the figures leave out because model and data have other labels."""
    left = metrics.get("not_scored", {})
    told = [f"{name} (not asked for)" for name in left.get("labels", ())]
    told += [f"{name} ({counted(count, 'picture')})" for name, count in left.get("pictures", {}).items()]
    return f"Not scored: {', '.join(told)}.\n" if told else ""


def _pictures(data: Mapping[str, Any]) -> str:
    grey = float(data.get("grey", 0))  # older manifests say true or false
    kind = "grey" if grey == 1 else f"grey ({grey:.0%}) or in colour" if grey else "in colour"
    side = data.get("side", "?")
    return f"The training pictures are {kind} and about {side} pixels wide. {data.get('about', '')}".strip()


def _files(manifest: Manifest) -> str:
    rows = ["", "| file | for | size | labels equal to model.onnx |", "|---|---|---|---|"]
    for a in manifest.artifacts:
        agreement = a.parity.get("label_agreement")
        shown = (
            "-" if agreement is None else f"{agreement:.1%} of {counted(a.parity['pictures'], 'calibration picture')}"
        )
        rows.append(f"| {a.path} | {a.target} {a.precision} | {a.size / 1e6:.1f} MB | {shown} |")
    return "\n".join(rows) + "\n"


def _summary(manifest: Manifest) -> str:
    rows = ["| file | accuracy | mean recall | macro F1 | calibration error |", "|---|---|---|---|---|"]
    for a in manifest.artifacts:
        m = a.metrics
        if m.get("set") == manifest.metrics.get("set") and "accuracy" in m:
            figures = " | ".join(f"{m[k]:.3f}" for k in ("accuracy", "mean_recall", "macro_f1", "calibration_error"))
            rows.append(f"| {a.target} {a.precision} {a.kind[2]}".rstrip() + f" | {figures} |")
    return "\n".join(rows) + "\n"


def _per_label(metrics: Mapping[str, Any]) -> str:
    rows = ["| expression | precision | recall | F1 | pictures |", "|---|---|---|---|---|"]
    for name, v in metrics.get("per_label", {}).items():
        recall = "-" if v["recall"] is None else f"{v['recall']:.3f}"
        rows.append(f"| {name} | {v['precision']:.3f} | {recall} | {v['f1']:.3f} | {v['support']} |")
    return "\n".join(rows) + "\n"


def _second(metrics: Mapping[str, Any]) -> str:
    second = metrics.get("second")
    if not second:
        return ""
    return (
        f"Against the other label column, `{second['label']}` ({counted(second['images'], 'picture')}): accuracy "
        f"{second['accuracy']:.3f}, mean recall {second['mean_recall']:.3f}.\n"
    )


def _unseen(metrics: Mapping[str, Any]) -> str:
    unseen = metrics.get("unseen")
    if not unseen:
        return "No test picture has a copy among the training pictures.\n"
    return (
        f"{metrics['images'] - unseen['images']} of these pictures have an exact copy among the training pictures. "
        f"Without them ({counted(unseen['images'], 'picture')}): accuracy\n{unseen['accuracy']:.3f}, "
        f"mean recall {unseen['mean_recall']:.3f}.\n"
    )


def _with_rest(metrics: Mapping[str, Any]) -> str:
    """What `evaluate --resting --card` measured."""
    found = metrics.get("resting")
    if not found:
        return ""
    seen, taken = found["as_seen"], found["taken_off"]
    rows = [(name.replace("_", " "), seen[name], taken[name]) for name in ("accuracy", "mean_recall")]
    rows += [(f"recall of {name}", recall, taken["recall"][name]) for name, recall in seen["recall"].items()]
    rows += [("neutral said of other faces", seen["false_neutral"], taken["false_neutral"])]
    lines = [
        "",
        "## With a resting face",
        f"`{found['model']}` on `{found['set']}` ({counted(found['pictures'], 'picture')}). The median of the other "
        f"neutral pictures of the same person is taken off: {found['persons_with_rest']} of "
        f"{counted(found['persons'], 'person')} and {counted(found['pictures_with_rest'], 'picture')} have one.",
        "",
        "| | as seen | taken off |",
        "|---|---|---|",
        *(f"| {name} | {before:.3f} | {after:.3f} |" for name, before, after in rows if before is not None),
    ]
    return "\n".join([*lines, ""])


def _by_group(metrics: Mapping[str, Any]) -> str:
    """What `evaluate --groups --card` measured."""
    groups = metrics.get("groups")
    if not groups:
        return ""
    against = groups["against"]
    what, recall = ("agreement", "agreement by its answer") if against else ("accuracy", "recall by expression")
    about = f"`{groups['model']}` on `{groups['set']}` ({counted(groups['images'], 'picture')})."
    if against:
        who = "other models" if " + " in against else "another model"
        about += f" Nobody labelled its expressions: agreement with {who}, `{against}`, is no accuracy."
        about += _soft(groups.get("soft_calibration_error"))
    rows = [
        f"| group | pictures | {what} (95 %) | confidence | calibration error | {recall} |",
        "|---|---|---|---|---|---|",
    ]
    for row in groups["rows"]:
        value, low, high = row["share"]
        small = ", too small to speak of" if row["too_small"] else ""
        recall = ", ".join(f"{name} {value:.2f}" for name, value in row["recall"].items()) or "too few pictures"
        rows.append(
            f"| {row['group'].replace('|', '/')} | {row['pictures']}{small} | {value:.3f} ({low:.3f} to {high:.3f}) | "
            f"{row['confidence']:.3f} | {row['calibration_error']:.3f} | {recall} |"
        )
    said = [f"- {by}: {line}." for by, lines in groups["gaps"].items() for line in lines]
    return "\n".join(["", "## By group", about, "", *rows, "", *said, ""])


def _soft(error: Sequence[float] | None) -> str:
    """How far confidence is from what the other models think; older manifests do not have it."""
    if not error:
        return ""
    value, low, high = error
    return f" Calibration error against their probabilities: {value:.3f} ({low:.3f} to {high:.3f})."


def _measured_groups(metrics: Mapping[str, Any]) -> str:
    groups = metrics.get("groups")
    if not groups:
        return "No figures by gender, age or skin colour were measured."
    return f"Figures by {', '.join(groups['columns'])} stand above; none by anything else were measured."


def _weakest(metrics: Mapping[str, Any]) -> str:
    """The expressions it misses most, from the measured recalls and the confusion matrix."""
    per_label = metrics.get("per_label", {})
    names = list(per_label)
    known = sorted((v["recall"], n) for n, v in per_label.items() if v["recall"] is not None)
    lines = []
    for recall, name in known[:3]:
        row = list(metrics["confusion"][names.index(name)])
        row[names.index(name)] = 0
        taken = names[row.index(max(row))] if max(row) else ""
        lines.append(
            f"- It finds {recall:.0%} of {name} ({counted(per_label[name]['support'], 'picture')})"
            + (f"; most of the rest it calls {taken}." if taken else ".")
        )
    return "\n".join(lines)
