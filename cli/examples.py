"""What `--help` of each verb ends with: commands that people come for, each complete."""

from __future__ import annotations

EXAMPLES = {
    "run": (
        "fer-edge run clip.mp4",
        "fer-edge run clip.mp4 --out session --video",
        "fer-edge run camera:0 --seconds 60 --json",
        "fer-edge run camera:0 --resting first:2s --resting-save anna",
        "fer-edge run camera:0 --study my-study --subject P07 --condition film",
        "fer-edge run --config /etc/fer-edge/config.toml",
    ),
    "batch": (
        "fer-edge batch archive --out analysed",
        "fer-edge batch 'archive/**/*.mp4' more.mkv --out analysed --workers 4",
        "fer-edge batch films.csv --out analysed --retry",
        "fer-edge batch archive --out analysed --segment 600",
        "fer-edge batch 's3://bucket/films/*.mp4' --out analysed",
    ),
    "report": (
        "fer-edge report session",
        "fer-edge report session --only csv",
        "fer-edge report session --only figures --around 3",
    ),
    "study": (
        "fer-edge study init my-study --consent form.pdf --condition rest --condition film",
        "fer-edge study consent my-study P07 --witness 'M. Soto'",
        "fer-edge study show my-study",
        "fer-edge study join my-study/sessions/20260131-101500 heart-rate.csv",
        "fer-edge study export my-study P07 for-p07",
        "fer-edge study withdraw my-study P07 --yes",
    ),
    "compare": (
        "fer-edge compare my-study",
        "fer-edge compare my-study --figures share:happy,expressivity --out comparison",
        "fer-edge compare my-study --subject P07 --condition film",
        "fer-edge compare my-study --groups groups.csv --out comparison --parquet",
    ),
    "train": (
        "fer-edge train --data faces --out my-bundle",
        "fer-edge train --data faces --recipe edgetpu --out my-bundle --resume",
    ),
    "export": (
        "fer-edge export default --target openvino --calibration faces --out my-bundle",
        "fer-edge export my-bundle --target all --calibration faces --labelled faces",
    ),
    "build-engine": ("fer-edge build-engine my-bundle", "fer-edge build-engine my-bundle --precision float32"),
    "evaluate": (
        "fer-edge evaluate --data faces",
        "fer-edge evaluate --bundle my-bundle --data faces --split valid --out figures",
        "fer-edge evaluate --data faces --recipe published --seeds 42,123,101112",
        "fer-edge evaluate --data faces --groups gender,age,gender+age --against other-bundle",
        "fer-edge evaluate --data faces --resting person",
        "fer-edge evaluate --data faces --explain --augmentations --out figures",
    ),
    "sweep": (
        "fer-edge sweep --data faces --out sweep --trials 4",
        "fer-edge sweep --data faces --grid final14 --init timm --out sweep --track runs",
    ),
    "reproduce": (
        "fer-edge reproduce --data faces --size 64 --epochs 6 --share 0.25 --out reproduction",
        "fer-edge reproduce --out reproduction --docs docs",
    ),
    "bundle": (
        "fer-edge bundle show",
        "fer-edge bundle check my-bundle",
        "fer-edge bundle import model.onnx --labels negative,neutral,positive --license MIT --out my-bundle",
        "fer-edge bundle make my-bundle --backbone mobilenetv2_100 --calibration faces",
    ),
    "devices": ("fer-edge devices", "fer-edge devices coral"),
    "doctor": ("fer-edge doctor", "fer-edge doctor --device coral"),
    "tune": ("fer-edge tune",),
    "verify": ("fer-edge verify --device coral",),
    "benchmark": (
        "fer-edge benchmark --quick",
        "fer-edge benchmark --scope pipeline --clip clip.mp4 --out results",
        "fer-edge benchmark --compare results-a results-b",
        "fer-edge benchmark estimate --device coral",
    ),
    "config": (
        "fer-edge config init kiosk.toml --place Foyer --kind museum --purpose 'What visitors show'",
        "fer-edge config check kiosk.toml --set work.target_fps=10",
    ),
    "data": (
        "fer-edge data show /var/lib/fer-edge/store",
        "fer-edge data export /var/lib/fer-edge/store - --aggregate 15",
        "fer-edge data export /var/lib/fer-edge/store may.csv --since 2026-05-01 --until 2026-06-01",
        "fer-edge data wipe /var/lib/fer-edge/store --before 2026-05-01 --yes",
    ),
    "flash": (
        "fer-edge flash init card.toml",
        "fer-edge flash --device rpi5 --os-image raspios-lite.img.xz --config card.toml --out card.img",
    ),
    "update": ("fer-edge update push pi@kiosk.local payload --key ours.key", "fer-edge update status"),
    "fleet": (
        "fer-edge fleet init fleet.toml",
        "fer-edge fleet status",
        "fer-edge fleet pause museum",
        "fer-edge fleet targets > /etc/prometheus/targets/fleet.json",
        "fer-edge fleet update my-bundle --key ours.key --canary 1 --wave 10",
    ),
    "models": ("fer-edge models list", "fer-edge models fetch yunet", "fer-edge models add fer_edge_models.whl"),
    "completion": (
        "fer-edge completion bash > ~/.local/share/bash-completion/completions/fer-edge",
        "fer-edge completion zsh > ~/.zfunc/_fer-edge",
    ),
}
"""Verb -> commands; tests/cli/test_examples.py holds that each is one that its verb understands."""


def examples_of(verb: str) -> str:
    """The end of a verb's help."""
    return "\n  ".join(["examples:", *EXAMPLES.get(verb, ())]).replace("%", "%%")
