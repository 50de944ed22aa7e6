"""Stage probe: can the class be found in these trials without seeing the response to the picture?

Publishes ``probe.json``: ``parts`` (each with accuracy, n, chance, interval, p, verdict and what it
means), ``level`` (the chance of a false alarm over all parts together), ``shared_blocks`` (share
of the test trials whose block also occurs in training) and ``sentence``.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from zoo.stages._context import Context, Inputs
from zoo.stages._probe_parts import (
    Material,
    Part,
    class_before,
    class_from_means,
    early_and_late,
    permuted_blocks,
)
from zoo.stages._probe_words import FIRES, HELD_OUT, OPEN, QUIET, UNTOLD, meaning, sentence
from zoo.stages.select import read_table

#: Chance of a false alarm where nothing leaks, over all parts together.
LEVEL = 0.01
#: Those that can fire; each is tested at `LEVEL` divided by their number (Bonferroni).
FIRING = ("before", "early_late", "permuted_blocks")
#: Names the draws; the recipe's seed is of no account here.
SEED = 0


def run(inputs: Inputs, params: dict[str, Any], out: Path, context: Context) -> None:  # noqa: ARG001
    """Look at the selected trials in four ways.

    Parameters
    ----------
    inputs : mapping
        ``prepare`` and ``select``; ``before``, the same trials prepared with an interval that no
        response reaches, where there is one.
    params : dict
        ``interval`` ([start, stop] of ``before`` in seconds from onset, or None) and ``refused``
        (what the data set said to the intervals that it does not have).
    out : Path
    context : Context
        Not used.
    """
    own = read_material(inputs["prepare"], inputs["select"])
    shared = json.loads((inputs["select"] / "splits.json").read_text())["shares"]["block"]
    shared = shared["test_with_train"]
    if "before" in inputs:
        asks = f"the class, from {_said(*params['interval'])}"
        before = class_before(_elsewhere(own, inputs["before"]), asks, SEED)
    else:
        why_not = f"the data hold no time that no response reaches ({params['refused'][0]})"
        before = Part("before", "the class, before the picture", why_not=why_not)
    found = [
        before,
        class_from_means(own, SEED),
        early_and_late(own, SEED),
        permuted_blocks(own, SEED),
    ]
    parts = []
    for part in found:
        verdict = verdict_of(part, shared)
        facts = {k: v for k, v in asdict(part).items() if k != "facts"}
        parts.append(facts | part.facts | {"verdict": verdict, "means": meaning(part, verdict)})
    report = {
        "sentence": sentence(parts),
        "parts": parts,
        "level": LEVEL,
        "interval": params["interval"],
        "refused": params["refused"],
        "shared_blocks": shared,
        "trials": len(own.table),
        "subjects": int(own.table.subject.nunique()),
        "classes": int(own.table.label.nunique()),
        "blocks": int(own.table.groupby(["subject", "session", "run", "block"]).ngroups),
    }
    (out / "probe.json").write_text(json.dumps(report, indent=1, allow_nan=False))


def read_material(prepare: Path, select: Path) -> Material:
    """Return the selected trials with their true labels and their places in the recording."""
    with np.load(select / "select.npz", allow_pickle=False) as selected:
        rows, split, label = (selected[name] for name in ("rows", "split", "true_label"))
    eeg_PCT = np.load(prepare / "eeg.npy", mmap_mode="r", allow_pickle=False)
    table = read_table(prepare).iloc[rows].reset_index(drop=True)
    return Material(eeg_PCT, table.assign(row=rows, split=split, label=label))


def verdict_of(part: Part, shared_blocks: float) -> str:
    """Return whether a part fires, at a level fixed beforehand."""
    if part.why_not is not None or part.p is None:
        return UNTOLD
    level = LEVEL / len(FIRING)
    if part.facts["smallest_p"] > level:
        return UNTOLD
    if part.p > level:
        return QUIET
    if part.name not in FIRING:
        return OPEN
    return FIRES if part.name == "before" or shared_blocks > 0 else HELD_OUT


def _elsewhere(own: Material, prepare: Path) -> Material:
    """Return the same trials in another prepared set, which may lack some."""
    row_of = {trial: row for row, trial in enumerate(read_table(prepare).trial_id)}
    table = own.table[own.table.trial_id.isin(row_of)].reset_index(drop=True)
    eeg_PCT = np.load(prepare / "eeg.npy", mmap_mode="r", allow_pickle=False)
    return Material(eeg_PCT, table.assign(row=table.trial_id.map(row_of).astype(int)))


def _said(start: float, stop: float) -> str:
    where = "before the picture" if stop <= 0 else "before a response can reach the cortex"
    return f"{start:g} to {stop:g} s, {where}"
