"""``results.json`` and ``results.csv``: every figure with split, n, interval and definition."""

from __future__ import annotations

import csv
import json
from functools import cache, partial
from pathlib import Path
from typing import Any

from zoo.controls import CONTROLS
from zoo.engine.contribution import contribution
from zoo.engine.execute import Outcome
from zoo.engine.graph import CellPlan, Plan, Variant
from zoo.engine.leakage import leakage, percent
from zoo.engine.ledger import differing_in, ledger_entry
from zoo.engine.looks import Row, record_looks
from zoo.engine.probing import sentence_of
from zoo.engine.store import Store
from zoo.recipe.cells import Recipe
from zoo.recipe.published import beside
from zoo.registries import DATASETS

CSV_COLUMNS = (
    "cell", "control", "step", "seed", "metric", "value", "low", "high", "n", "unit", "split",
    "chance", "selected_on", "reason",
)  # fmt: skip


def results(recipe: Recipe, plan: Plan, store: Store, outcome: Outcome) -> dict[str, Any]:
    """Return the content of ``results.json``; the looks at the test are noted in the store."""
    looks = record_looks(recipe, plan, store)
    differing = differing_in(recipe)
    probed = cache(partial(sentence_of, store))
    contributions = {}
    cells = []
    for cell in plan.cells:
        found = leakage(cell, store)
        shared = {
            "notes": _notes(cell, store, found),
            "leakage": found if cell.cell.score_on == "test" else None,
            "probe": probed(cell.prepare, cell.select),
        }
        for variant in cell.variants:
            entry = {**_entry(cell, variant, plan, store, outcome), **shared}
            if variant.control is None:
                look = looks.get(Row(cell.cell.id, variant.step))
                entry["ledger"] = ledger_entry(recipe, cell, plan, store, look, differing=differing)
            cells.append(entry)
        if (gains := contribution(cell, store)) is not None:
            contributions[cell.cell.id] = gains
    return {
        "schema": 1,
        "recipe": recipe.name,
        "summary": recipe.summary,
        "scale": recipe.scale,
        "data": recipe.data,
        "weights": recipe.weights,
        "stand_ins": list(recipe.stand_ins),
        "score_on": recipe.cells[0].score_on,
        "cells": cells,
        "contribution": contributions,
        "published": beside(recipe.published, recipe.cells, recipe.simulated),
    }


def write_csv(path: Path, found: dict[str, Any]) -> None:
    """Write one row per figure of `found`, the content of ``results.json``."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, CSV_COLUMNS, extrasaction="ignore")
        writer.writeheader()
        for cell in found["cells"]:
            for name, metric in cell["metrics"].items():
                low, high = metric.get("ci95") or (None, None)
                about = {"cell": cell["id"], "control": cell["control"], "seed": cell["seed"]}
                step = cell["coords"].get("step")
                row = {**metric, **about, "step": step, "metric": name, "low": low, "high": high}
                writer.writerow(row)


def _entry(
    cell: CellPlan, variant: Variant, plan: Plan, store: Store, outcome: Outcome
) -> dict[str, Any]:
    """Return one row of ``cells``: a cell, or a cell under a control or at a snapshot."""
    step = {} if variant.step is None else {"step": variant.step}
    nodes = {"generate": variant.generate} if variant.generate else {}
    if variant.condition:
        nodes = {"condition": variant.condition, **nodes}
    if variant.generate is None or cell.encode in plan.upstream(variant.generate):
        nodes = {"encode": cell.encode, **nodes}
    failures = [
        {"node": outcome.failures[key].label, "message": outcome.failures[key].message}
        for key in (*nodes.values(), *variant.metrics.values())
        if key in outcome.failures
    ]
    return {
        "id": cell.cell.id,
        "coords": {**cell.cell.coords, **step},
        "control": variant.control,
        "seed": cell.cell.seed,
        "metrics": {
            label: _metric(key, cell, plan, store, outcome)
            for label, key in variant.metrics.items()
        },
        "logs": {
            stage: f"logs/{cell.cell.id}/{log_name(stage, variant)}"
            for stage in ("encode", "condition")
            if stage in nodes and (store.path(nodes[stage]) / "log.csv").is_file()
        },
        "gallery": f"gallery/{cell.cell.id}",
        "timings": {
            stage: round(outcome.seconds[key], 1)
            for stage, key in nodes.items()
            if key in outcome.seconds
        },
        "training": _training(variant, store),
        "failures": failures,
    }


def _training(variant: Variant, store: Store) -> dict[str, Any] | None:
    """Return what the conditioner's training took; None where the cell has none."""
    if variant.condition is None:
        return None
    report = store.path(variant.condition) / "condition.json"
    if not report.is_file():
        return None
    facts = json.loads(report.read_text())
    steps = facts["steps"]
    return {
        "parameters": facts["parameters"],
        "total": sum(facts["parameters"].values()),
        "steps": steps,
        "seconds_per_step": facts["seconds"] / steps if steps else None,
    }


def log_name(stage: str, variant: Variant) -> str:
    """Return the file name of a training log below ``logs/<cell>/``."""
    return f"{stage}.{variant.control}.csv" if _own_training(stage, variant) else f"{stage}.csv"


def _own_training(stage: str, variant: Variant) -> bool:
    control = CONTROLS.get(variant.control or "")
    return stage == "condition" and control is not None and control.trained


def _metric(key: str, cell: CellPlan, plan: Plan, store: Store, outcome: Outcome) -> dict[str, Any]:
    if key in outcome.failures:
        return {"value": None, "reason": f"not computed: {outcome.failures[key].message}"}
    metric: dict[str, Any] = json.loads((store.path(key) / "metric.json").read_text())
    found = {k: v for k, v in metric.items() if v is not None and k != "contribution"}
    if not found.get("beside"):
        found.pop("beside", None)
    if cell.encode in plan.upstream(key):
        encode = json.loads((store.path(cell.encode) / "encode.json").read_text())
        if encode.get("selected_on"):
            found["selected_on"] = encode["selected_on"]
    return {"value": None, **found}


def _notes(cell: CellPlan, store: Store, leaks: dict[str, Any] | None) -> list[str]:
    """Return what a reader must know: leakage, dry runs, notes of the data, overlaps of splits."""
    declared = DATASETS.spec(cell.cell.dataset.name).meta.get("leakage")
    notes = [declared] if declared else []
    params = cell.cell.dataset.params
    limit = params.get("limit")
    if isinstance(limit, dict):
        kept = ", ".join(f"{count} of {part}" for part, count in limit.items())
        notes.append(f"at most so many trials took part: {kept}")
    elif limit is not None:
        notes.append(f"a dry run: at most {limit} trials of each split took part")
    if params.get("shuffle_labels"):
        notes.append("labels and pictures of training and validation trials were shuffled")
    if store.valid(cell.prepare):
        notes += json.loads((store.path(cell.prepare) / "notes.json").read_text())
    if cell.cell.score_on != "test":
        notes.append(
            "Scored on validation, by which encoders and settings are chosen: no result, but a way "
            "to choose. The test was not looked at."
        )
    elif leaks is not None:
        notes += [leaks["sentence"], _overlap_sentence(leaks["shares"])]
    return notes


def _overlap_sentence(shares: dict[str, dict[str, float]]) -> str:
    pairs = {"test_with_train": "training", "test_with_val": "validation"}
    told = [
        f"{part} ({', '.join(f'{unit} {percent(own[pair])}' for unit, own in shares.items())})"
        for pair, part in pairs.items()
        if all(pair in own for own in shares.values())
    ]
    return f"Share of the test trials with something that also occurs in {'; in '.join(told)}."
