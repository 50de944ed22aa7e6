"""What the EEG contributes to each score, what a control takes away, and what that makes of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from zoo.controls import CONTROLS
from zoo.engine.graph import CellPlan
from zoo.engine.store import Store

#: A recipe's control without any training on pictures: what a trained generator has to beat.
CAPTION = "predicted_label"
ALPHA = 0.05


def contribution(cell: CellPlan, store: Store) -> dict[str, Any] | None:
    """Return what ``results.json`` says of a cell's contributions; None without scored trials.

    ``scores``: for each metric what the trial's own EEG adds over another trial's, and over
    another trial's of the same class. ``over``: for each control the mean difference of the same
    trials, real minus control. ``verdict``: what follows. Positive always means that the real
    thing is better.
    """
    real = _scored(cell, None, store)
    if not real:
        return None
    scores = {label: m["contribution"] for label, (m, _) in real.items() if "contribution" in m}
    over = _over_controls(cell, real, store)
    return {"scores": scores, "over": over, "verdict": verdict(scores, over)}


Scored = dict[str, tuple[dict[str, Any], Path]]


def _scored(cell: CellPlan, control: str | None, store: Store) -> Scored:
    """Return label -> metric.json and per_sample.csv of every metric that scored trials."""
    found: Scored = {}
    for variant in cell.variants:
        if variant.control != control or variant.step is not None:
            continue
        for label, key in variant.metrics.items():
            table = store.path(key) / "per_sample.csv"
            if store.valid(key) and table.is_file():
                metric = json.loads((store.path(key) / "metric.json").read_text("utf-8"))
                found[label] = (metric, table)
    return found


def _over_controls(cell: CellPlan, real: Scored, store: Store) -> dict[str, dict[str, Any]]:
    """Return control -> label -> mean difference; p is Holm's over all of them."""
    from zoo.comparison import holm

    found: dict[str, dict[str, Any]] = {}
    for control in cell.cell.controls:
        theirs = _scored(cell, control, store)
        found[control] = {
            label: _difference(metric, table, theirs[label][1], cell.cell.seed)
            for label, (metric, table) in real.items()
            if label in theirs
        }
    entries = [entry for entries in found.values() for entry in entries.values()]
    if entries:
        for entry, p in zip(entries, holm([entry["p"] for entry in entries]), strict=True):
            entry["p_holm"] = round(float(p), 5)
    return {control: entries for control, entries in found.items() if entries}


def _difference(metric: dict[str, Any], real: Path, control: Path, seed: int) -> dict[str, Any]:
    import numpy as np

    from zoo.statistics import paired_difference

    a, b = _read(real), _read(control)
    assert list(a) == list(b), "a control scored other trials than the real thing"
    sign = 1 if metric["higher_is_better"] else -1
    found = paired_difference(
        sign * np.array([float(row["score"]) for row in a.values()]),
        sign * np.array([float(row["score"]) for row in b.values()]),
        seed=seed,
        clusters=_clusters(list(a.values())),
    )
    interval = "no interval" if found.ci95 is None else "interval by bootstrap"
    units = "trials" if found.n_clusters == found.n else "clusters of trials"
    return {
        "value": found.value,
        "ci95": None if found.ci95 is None else [round(end, 4) for end in found.ci95],
        "p": round(found.p, 5),
        "n": found.n,
        "unit": "trial",
        "split": metric["split"],
        "definition": (
            "mean difference of the same trials, real minus control, positive where the real "
            f"thing is better; {interval}, p by flipping signs, over {found.n_clusters} {units}"
        ),
    }


def _read(table: Path) -> dict[str, dict[str, str]]:
    with table.open(newline="") as file:
        return {row["trial_id"]: row for row in csv.DictReader(file)}


def _clusters(rows: list[dict[str, str]]) -> Any:
    """Return what is resampled together, as `zoo.statistics.Units.columns` wrote it."""
    import numpy as np

    ways = tuple(
        np.array([row[name] for row in rows])
        for name in ("cluster_subject", "cluster")
        if name in rows[0]
    )
    return ways if len(ways) > 1 else ways[0]


def verdict(scores: dict[str, Any], over: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return what kind of generator this is: ``kind`` and one ``sentence``.

    ``beyond the class``: some picture score is better with the trial's own EEG than with another
    trial's of the same class. ``a classifier with a caption``: none is, and the generator gains
    nothing over the stock prompt of the decoded class. ``class only``: none is, but it does gain
    over the prompt. ``not told``: the data or the recipe do not let one say. Several scores are
    corrected by Holm's method.
    """
    from zoo.comparison import holm

    within = {
        label: entry["within_class"]
        for label, entry in scores.items()
        if entry.get("within_class", {}).get("value") is not None
    }
    if not within:
        reasons = [e["within_class"]["reason"] for e in scores.values() if "within_class" in e]
        why = reasons[0] if reasons else "no score that compares pictures was computed"
        return {
            "kind": "not told",
            "sentence": f"Whether anything beyond the class arrives cannot be told: {why}.",
        }
    adjusted = dict(zip(within, holm([gain["p"] for gain in within.values()]), strict=True))
    beyond = [k for k, gain in within.items() if gain["value"] > 0 and adjusted[k] < ALPHA]
    if beyond:
        best = min(beyond, key=lambda label: adjusted[label])
        gain = within[best]
        return {
            "kind": "beyond the class",
            "sentence": (
                f"More than the class arrives: {best} is {_signed(gain)} better with the trial's "
                f"own EEG than with another trial's of the same class ({len(beyond)} of "
                f"{len(within)} picture scores, Holm-corrected)."
            ),
        }
    nearest = min(within, key=lambda label: within[label]["p"])
    nothing = (
        f"No picture score is better with the trial's own EEG than with another trial's of the "
        f"same class (of {len(within)} the nearest is {nearest}, {_signed(within[nearest])})"
    )
    if not over.get(CAPTION, {}).keys() & scores.keys():
        return {
            "kind": "not told",
            "sentence": (
                f"{nothing}; whether the generator beats a stock prompt of the decoded class is "
                f"not told without the control {CAPTION}."
            ),
        }
    # Only scores against what was seen: a caption repeats the decoder's word by its nature.
    caption = {label: d for label, d in over[CAPTION].items() if label in scores}
    gains = [k for k, d in caption.items() if d["value"] > 0 and d["p_holm"] < ALPHA]
    if gains:
        return {
            "kind": "class only",
            "sentence": (
                f"{nothing}; over {CONTROLS[CAPTION].title!r} it gains in {', '.join(gains)}: the "
                "class arrives, and pictures of the class are drawn more like those seen."
            ),
        }
    best = max(caption, key=lambda label: caption[label]["value"] / _width(caption[label]))
    return {
        "kind": "a classifier with a caption",
        "sentence": (
            f"This is a classifier with a caption: {nothing[0].lower()}{nothing[1:]}, and it gains "
            f"nothing over drawing the stock prompt of the decoded class (of {len(caption)} "
            f"scores the best is {best}, {_signed(caption[best])})."
        ),
    }


def _width(gain: dict[str, Any]) -> float:
    ends = gain.get("ci95")
    return ends[1] - ends[0] if ends and ends[1] > ends[0] else 1.0


def _signed(gain: dict[str, Any]) -> str:
    ends = gain.get("ci95")
    interval = f" [{ends[0]:+.3f}, {ends[1]:+.3f}]" if ends else ""
    return f"{gain['value']:+.3f}{interval}"
