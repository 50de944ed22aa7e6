"""What the EEG contributes to each score, what a control takes away, and what that makes of it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from zoo.controls import CONTROLS
from zoo.engine.graph import CellPlan
from zoo.engine.store import Store
from zoo.registries import METRICS

#: A recipe's control without any training on pictures: what a trained generator has to beat.
CAPTION = "predicted_label"
ALPHA = 0.05


def contribution(cell: CellPlan, store: Store) -> dict[str, Any] | None:
    """Return what ``results.json`` says of a cell's contributions; None without scored trials, and
    where nothing is drawn: there is no generator to judge.

    ``scores``: for each metric what the trial's own EEG adds over another trial's, and over
    another trial's of the same class. ``over``: for each control the mean difference of the same
    trials, real minus control. ``verdict``: what follows. Positive always means that the real
    thing is better.
    """
    real = _scored(cell, None, store) if cell.cell.draws else {}
    if not real:
        return None
    scores = {label: m["contribution"] for label, (m, _) in real.items() if "contribution" in m}
    over = _over_controls(cell, real, store)
    drawn = {label: scores[label] for label in scores if label in _of_pictures(cell)}
    return {"scores": scores, "over": over, "verdict": verdict(drawn, over)}


def _of_pictures(cell: CellPlan) -> set[str]:
    """Return the metrics that score what was drawn: what the encoder finds says nothing of it."""
    return {m.label for m in cell.cell.metrics if "generated" in METRICS.spec(m.name).meta["needs"]}


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
    """Return control -> label -> mean difference; p is Holm's over the scores of a control."""
    from zoo.comparison import holm

    found: dict[str, dict[str, Any]] = {}
    for control in cell.cell.controls:
        theirs = _scored(cell, control, store)
        found[control] = {
            label: _difference(metric, table, theirs[label][1], cell.cell.seed)
            for label, (metric, table) in real.items()
            if label in theirs
        }
    for of_control in found.values():
        entries = list(of_control.values())
        for entry, p in zip(entries, holm([entry["p"] for entry in entries]), strict=True):
            entry["p_holm"] = round(float(p), 5)
    return {control: entries for control, entries in found.items() if entries}


def _difference(metric: dict[str, Any], real: Path, control: Path, seed: int) -> dict[str, Any]:
    import numpy as np

    from zoo.statistics import RESAMPLES, paired_difference

    a, b = _read(real), _read(control)
    assert list(a) == list(b), "a control scored other trials than the real thing"
    sign, clusters = 1 if metric["higher_is_better"] else -1, _clusters(list(a.values()))
    found = paired_difference(
        sign * np.array([float(row["score"]) for row in a.values()]),
        sign * np.array([float(row["score"]) for row in b.values()]),
        seed=seed,
        clusters=clusters,
    )
    smallest = max(2.0 ** (1 - found.n_clusters), 1 / (RESAMPLES + 1))
    resampled = flipped = f"{found.n_clusters} " + (
        "trials" if found.n_clusters == found.n else "clusters of trials"
    )
    if isinstance(clusters, tuple):
        subjects, images = (len(np.unique(way)) for way in clusters)
        resampled = f"{subjects} subjects x {images} images"
        flipped = f"{found.n_clusters} {'subjects' if subjects <= images else 'images'}"
    interval = "no interval" if found.ci95 is None else f"interval by bootstrap over {resampled}"
    return {
        "value": found.value,
        "ci95": None if found.ci95 is None else [round(end, 4) for end in found.ci95],
        "p": round(found.p, 5),
        "smallest_p": smallest,
        "n": found.n,
        "unit": "trial",
        "split": metric["split"],
        "definition": (
            "mean difference of the same trials, real minus control, positive where the real "
            f"thing is better; {interval}; p by flipping the signs of {flipped} (smallest "
            f"possible: {smallest:.2g}), corrected by Holm over the scores of this control"
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
    over the prompt. ``not told``: the data or the recipe do not let one say, or there are so few
    units that no test could find a gain. Several scores are corrected by Holm's method.
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
    if all(gain.get("ci95") is None for gain in within.values()):
        return {
            "kind": "not told",
            "sentence": (
                "Whether anything beyond the class arrives cannot be told: there are too few "
                "independent units for an interval."
            ),
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
    nearest = max(within, key=lambda label: within[label]["value"] / _width(within[label]))
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
    # Where subjects and images cross, signs are flipped for one of them; the interval is of both.
    gains = [k for k, d in caption.items() if _above_zero(d) and d["p_holm"] < ALPHA]
    if gains:
        return {
            "kind": "class only",
            "sentence": (
                f"{nothing}; over {CONTROLS[CAPTION].title!r} it gains in {', '.join(gains)}: the "
                "class arrives, and pictures of the class are drawn more like those seen."
            ),
        }
    smallest = len(over[CAPTION]) * max(d["smallest_p"] for d in over[CAPTION].values())
    if smallest >= ALPHA:
        return {
            "kind": "not told",
            "sentence": (
                f"{nothing}; whether the generator beats a stock prompt of the decoded class is "
                f"not told: over so few independent units no gain can be supported (smallest p "
                f"after Holm: {min(1.0, smallest):.2g})."
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


def _above_zero(gain: dict[str, Any]) -> bool:
    ends = gain.get("ci95")
    return bool(ends and ends[0] > 0)


def _width(gain: dict[str, Any]) -> float:
    ends = gain.get("ci95")
    return ends[1] - ends[0] if ends and ends[1] > ends[0] else 1.0


def _signed(gain: dict[str, Any]) -> str:
    ends = gain.get("ci95")
    interval = f" [{ends[0]:+.3f}, {ends[1]:+.3f}]" if ends else ""
    return f"{gain['value']:+.3f}{interval}"
