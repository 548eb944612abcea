"""Section 11.1, a small temporal head: a recurrent layer over what a finished network makes of a track's frames."""

from __future__ import annotations

import json
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ....bundle import softmax, write_text
from ....bundle.dataset import Dataset, Watch
from ....errors import DatasetError
from ....export.onnx import OPSET
from ....train.evaluation.truth import truth_of
from ....train.network import open_checkpoint
from ....train.torch_import import import_torch
from .options import SEEDS
from .sequences import Seen, Tracks, accuracy, best_share, make_tracks, see, smoothed
from .variants import ROUNDS, interleaved_ms

SQUEEZED, STATE = 16, 16
"""Numbers to which an embedding is reduced, and of the recurrent layer's state: ten thousand weights in all."""
LEARNT, TESTED = 1000, 500
"""Tracks of validation faces at most, of which a fifth chooses the epoch, and of test faces."""
EPOCHS, BATCH, RATE = 30, 32, 3e-3
Say = Callable[[str], None]


def train_heads(out: Path, dataset: Dataset, say: Say, watch: Watch) -> None:
    """A head for the plain network of each seed, against that network alone and smoothed; writes temporal/*.json.

    The head learns from validation faces, which the network saw at most to choose an epoch: it knows training faces by
    heart, and a head that learnt from those would believe it too much.
    """
    for seed in SEEDS:
        checkpoint, result = out / "seeds" / f"seed_{seed}" / "best.pt", out / "temporal" / f"seed_{seed}.json"
        if result.is_file():
            continue
        if not (out / "seeds" / "repeats.json").is_file():
            say("stage seeds is not done: there is no network to put a head on")
            return
        say(f"a temporal head for seed {seed}")
        network, recipe = open_checkpoint(checkpoint)
        shown = []
        for split, count in (("valid", LEARNT), ("test", TESTED)):
            samples, truth = truth_of(dataset, split, "label", out / "part")
            tracks = make_tracks(truth, count, recipe.seed if split == "valid" else 0)
            shown.append((see(network, samples, tracks, recipe.size, watch), tracks))
        write_text(result, json.dumps(compare(*shown[0], *shown[1], seed), indent=1) + "\n")


def compare(seen: Seen, tracks: Tracks, tested: Seen, test_tracks: Tracks, seed: int) -> dict[str, Any]:
    """Fit head and smoothing on one set of tracks, and measure both and the frames alone on the other."""
    head, epoch = fit_head(seen, tracks, seed)
    share = best_share(seen.logits, tracks)
    probabilities = softmax(tested.logits)
    return {
        "frame alone": accuracy(probabilities, test_tracks),
        "exponential average": accuracy(smoothed(probabilities, share), test_tracks),
        "temporal head": accuracy(answers(head, tested), test_tracks),
        "share": share,
        "epoch": epoch,
        "tracks": [len(tracks.truth), len(test_tracks.truth)],
        "parameters": sum(p.numel() for p in head.parameters()),
        **_cost(head, seen.embeddings.shape[2], seen.logits.shape[2]),
    }


def build_head(embedding: int, classes: int) -> Any:
    """A module: embeddings (N, T, E), logits (N, T, classes) and a state (1, N, STATE) -> logits and the next state.

    It adds to the newest frame's own logits, so that it begins with what the network says.
    """
    torch = import_torch()
    nn = torch.nn

    class TemporalHead(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.squeeze = nn.Linear(embedding, SQUEEZED)
            self.memory = nn.GRU(SQUEEZED + classes, STATE, batch_first=True)
            self.correct = nn.Linear(STATE, classes)

        def forward(self, embeddings: Any, logits: Any, state: Any) -> tuple[Any, Any]:
            known, after = self.memory(torch.cat([self.squeeze(embeddings), logits], dim=2), state)
            return logits + self.correct(known), after

    return TemporalHead()


def fit_head(seen: Seen, tracks: Tracks, seed: int) -> tuple[Any, int]:
    """Learn from four fifths of the tracks and keep the epoch that is best on the rest: the head, and that epoch.

    Raises DatasetError: there are not two tracks.
    """
    if len(tracks.truth) < 2:
        raise DatasetError("a temporal head wants at least two labelled validation pictures")
    torch = import_torch()
    torch.manual_seed(seed)
    cut = max(1, len(tracks.truth) * 4 // 5)
    learnt, chosen = (seen.part(0, cut), tracks.part(0, cut)), (seen.part(cut), tracks.part(cut))
    head = build_head(seen.embeddings.shape[2], seen.logits.shape[2])
    optimizer = torch.optim.Adam(head.parameters(), lr=RATE, weight_decay=1e-4)
    inputs, truth = _tensors(learnt[0]), torch.from_numpy(learnt[1].truth)
    best, kept, kept_epoch = -1.0, head.state_dict(), 0
    for epoch in range(1, EPOCHS + 1):
        head.train()
        for rows in torch.randperm(cut).split(BATCH):
            said, _ = head(*(part[rows] for part in inputs), torch.zeros(1, len(rows), STATE))
            loss = torch.nn.functional.cross_entropy(said.flatten(0, 1), truth[rows].flatten())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        right = accuracy(answers(head, chosen[0]), chosen[1])["all frames"]
        if right > best:
            best, kept_epoch = right, epoch
            kept = {name: value.clone() for name, value in head.state_dict().items()}
    head.load_state_dict(kept)
    return head.eval(), kept_epoch


def answers(head: Any, seen: Seen) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The head's logits at every frame, float32 (N, FRAMES, classes), each from that frame and those before it."""
    torch = import_torch()
    head.eval()
    with torch.inference_mode():
        return np.asarray(head(*_tensors(seen), torch.zeros(1, len(seen.logits), STATE))[0].numpy())


def _tensors(seen: Seen) -> tuple[Any, Any]:
    torch = import_torch()
    return torch.from_numpy(seen.embeddings), torch.from_numpy(seen.logits)


def _cost(head: Any, embedding: int, classes: int) -> dict[str, float]:
    """Milliseconds of one frame through the head as an ONNX graph on one thread, and the graph's megabytes."""
    import onnxruntime

    torch = import_torch()
    given = {"embedding": (1, 1, embedding), "logits": (1, 1, classes), "state": (1, 1, STATE)}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as in export/onnx.py, the old exporter writes the opset that all read
        path = Path(folder) / "head.onnx"
        names = {"input_names": list(given), "output_names": ["answer", "next_state"]}
        example = tuple(torch.zeros(shape) for shape in given.values())
        torch.onnx.export(head, example, str(path), dynamo=False, opset_version=OPSET, **names)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        feed = {name: np.zeros(shape, np.float32) for name, shape in given.items()}
        times = interleaved_ms({"head": lambda: session.run(None, feed)}, ROUNDS)
        return {"ms": times["head"], "mb": path.stat().st_size / 1e6}
