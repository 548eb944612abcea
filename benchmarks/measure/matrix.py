"""A whole benchmark: one step after the other, kept after each, held against what others published."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ...bundle import Artifact, open_bundle
from ...devices.detect import looked_for, text_of
from ...devices.profile import Profile
from ...errors import FerEdgeError
from ...runtime.inference.open_device import artifact_for
from ..estimates.estimates import find_workload, fits, predict
from ..published.literature import PublishedResult
from ..published.verdicts import Measured, compare, expected_cells, host_of, table_name
from ..results.results import ABSENT, ResultRow, Results, reason_of
from .model_row import INTERRUPTED
from .models import TABLE_SIZE

Step = Callable[[], ResultRow]


def run_steps(steps: Sequence[Step], results: Results, keep: Callable[[Results], None]) -> Results:
    """Run the steps and return all their rows; an interrupt ends the run and leaves what was measured.

    Args:
        results: what the run begins with; its rows stay in front.
        keep: writes the results, called after each row so that no later misfortune takes it away.

    Raises:
        OutputError: from `keep`; the rows finished before are in the file already.
    """
    keep(replace(results, complete=False, ended="running"))
    for step in steps:
        try:
            row = step()
        except KeyboardInterrupt:
            results = replace(results, complete=False, ended=INTERRUPTED)
            break
        results = replace(results, rows=(*results.rows, row))
        if row.reason.startswith(INTERRUPTED):
            results = replace(results, complete=False, ended=INTERRUPTED)
            break
        keep(replace(results, complete=False, ended="running"))
    keep(results)
    return results


def against_published(row: ResultRow, published: Sequence[PublishedResult], root: Path = Path("/")) -> ResultRow:
    """The row with the published figure of its device and model, and what the measured one says about it.

    Only scope `model` is compared: nobody published a whole pipeline.
    """
    known = {*((f.device, f.model) for f in published), *expected_cells()}
    if row.scope != "model" or (row.device, table_name(row.model)) not in known:
        return row
    host, mean_ms = host_of(text_of(root / "proc/device-tree/model")), row.figures.get("mean_ms")
    measured = Measured(row.device, row.model, row.size, row.precision, host, mean_ms, row.degraded, row.simulated)
    return replace(row, published=compare(measured, published).as_mapping())


def absent_rows(
    profiles: Sequence[Profile], here: Sequence[str], published: Sequence[PublishedResult]
) -> Iterator[ResultRow]:
    """A row for every cell of the published table, and of the boards sold today, whose device is not here.

    Nothing is measured in them; an estimate stands there labelled as one.
    """
    by_name, fitted = {p.name: p for p in profiles}, fits()
    for device, model in expected_cells():
        if device in here or device not in by_name:
            continue
        p = by_name[device]
        row = ResultRow(device, model, TABLE_SIZE, "model", ABSENT, p.title, price_usd=p.price_usd, price_year=p.year)
        row = replace(row, reason=f"not here; looked for {looked_for(p)}", hint=f"fer-edge doctor --device {device}")
        estimates = predict(fitted, device, *find_workload(model, TABLE_SIZE))
        found = next((e.as_mapping() for e in estimates if e.as_mapping()), {})
        verdict = compare(Measured(device, model, TABLE_SIZE, p.precision), published)
        yield replace(row, published=verdict.as_mapping(), estimate=found)


def vendors_estimate(row: ResultRow, artifact: Artifact) -> ResultRow:
    """The row with what the vendor's own compiler, vela, expects of the artifact, where its report says."""
    if "estimate_ms" not in artifact.report:
        return row
    tool = f"vela {artifact.built_with.get('ethos-u-vela', '')}".rstrip()
    return replace(row, estimate={"mean_ms": artifact.report["estimate_ms"], "tool": tool})


def not_here(profile: Profile, model: str, scope: str) -> ResultRow:
    """An absent row, with what the vendor's compiler expects of the bundle's artifact where it says."""
    sought = f"{profile.name} is not here: looked for {looked_for(profile)}"
    row = absent_row(profile, model, scope, FerEdgeError(sought, hint=f"fer-edge doctor --device {profile.name}"))
    try:
        return vendors_estimate(row, artifact_for(profile, open_bundle(model)))
    except FerEdgeError:
        return row  # a table model, or a bundle that was not exported for the device: nothing is known


def absent_row(profile: Profile, model: str, scope: str, error: FerEdgeError) -> ResultRow:
    """A row of what could not be measured, with the error that says why."""
    reason, hint = reason_of(error), error.hint
    return ResultRow(profile.name, model, 0, scope, ABSENT, profile.title, reason=reason, hint=hint)
