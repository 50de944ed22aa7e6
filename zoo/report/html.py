"""The report's page: reads the run folder, fills the template."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from registry.errors import UserError
from zoo.report import plots, tables
from zoo.report.answers import answers_of
from zoo.report.course import definition_of
from zoo.report.grid import Grid, grid_of
from zoo.report.grid_curves import learning, over_quantities
from zoo.report.grid_layers import measures
from zoo.report.grid_plots import forest, heat_map
from zoo.report.grid_table import published_line, table
from zoo.report.strip import SHOWN, strip
from zoo.report.tuning import tuning_told

#: With more cells than this, curves and pictures stay in their folders.
DETAILED = 12
#: The split that a recipe scores on, in words.
WORDS_OF = {"val": "validation"}
#: What every cell in results.json has.
KEYS = {"id", "coords", "control", "seed", "metrics"}
#: With more cells than this, definitions are behind a fold.
OPEN = 2


def render(folder: Path) -> str:
    """Return the page for a run folder.

    Raises
    ------
    UserError
        The folder holds no ``results.json``, or one that cannot be read.
    """
    results = _results(folder)
    entries = results["cells"]
    ids = list(dict.fromkeys(entry["id"] for entry in entries))
    groups = [[entry for entry in entries if entry["id"] == one] for one in ids]
    shared = _shared_notes(groups)
    finals = [entry for entry in entries if "step" not in entry["coords"]]
    grid = grid_of(folder, results)
    folded = len(groups) > DETAILED
    # With many cells a definition that they share is told once.
    told = tables.definitions(finals) if folded and grid else []
    template = _environment().get_template("report.html.j2")
    return template.render(
        results=results,
        scored=WORDS_OF.get(str(results.get("score_on")), "test"),
        notes=shared,
        first=_first(finals, results),
        cells=[_cell(folder, group, results, shared, len(groups), told) for group in groups],
        summary=tables.over_cells(entries),
        answers=answers_of(results),
        grid=_grid(grid) if grid else None,
        folded=folded,
        # A grid has a line a setting; all marks in one line would say nothing.
        glance=plots.at_a_glance(finals) if grid is None else None,
        provenance=_provenance(_json(folder / "provenance.json") or {}),
        recipe=_text(folder / "recipe.yaml"),
        shown=SHOWN,
        many=len(groups) > OPEN,
    )


def _grid(grid: Grid) -> dict[str, Any]:
    """Return what the template shows of all cells together."""
    of_papers = {published["metric"] for published in grid.published}
    primary = grid.primary
    drawn = [o for o in grid.outcomes if o == primary or (not o.steps and o.label in of_papers)]
    finals = [e for group in grid.entries for e in group if "step" not in e["coords"]]
    return {
        "n": len(grid.settings),
        "seeds": grid.seeds,
        "axes": [f"{axis.title} ({' | '.join(axis.levels)})" for axis in grid.axes],
        "primary": primary.title,
        "area": bool(primary.steps),
        "tuning": tuning_told(grid),
        "controls": [tables.control_title(control) for control in grid.controls],
        "forests": [forest(grid, outcome) for outcome in drawn],
        "table": table(grid),
        "definitions": [
            *([(primary.title, definition_of(primary))] if primary.steps else []),
            *tables.definitions(finals),
        ],
        "published": bool(grid.published),
        "heat": [(outcome.when, *found) for outcome in drawn if (found := heat_map(grid, outcome))],
        "curves": [*filter(None, [learning(grid)]), *over_quantities(grid)],
        "measures": measures(grid),
    }


def _cell(
    folder: Path,
    group: list[tables.Entry],
    results: dict[str, Any],
    shared: list[str],
    n_cells: int,
    told: list[tuple[str, str]],
) -> dict[str, Any]:
    """Return what the template shows of one cell: its variants, tables, curves and pictures."""
    finals = [entry for entry in group if "step" not in entry["coords"]]
    snapshots = [entry for entry in group if "step" in entry["coords"]]
    detailed = n_cells <= DETAILED
    controls = [entry["control"] for entry in finals]
    return {
        "id": group[0]["id"],
        "title": tables.coords_title(finals[0]["coords"]),
        "seed": group[0]["seed"],
        "controls": [tables.control_title(control) for control in controls],
        "rows": tables.rows(finals),
        # Of a grid they stand in its table.
        "published": [published_line(one) for one in results.get("published") or []]
        if n_cells == 1
        else [],
        "definitions": [pair for pair in tables.definitions(finals) if pair not in told],
        **_trust(group[0], results),
        "snapshots": [
            (entry["coords"]["step"], tables.control_title(entry["control"]), entry)
            for entry in snapshots
        ],
        "snapshot_rows": tables.rows(snapshots) if snapshots else [],
        "notes": [note for note in group[0].get("notes", []) if note not in shared],
        "failures": _failures(group),
        "curves": plots.learning_curves(_logs(folder, finals)) if detailed else None,
        "strip": strip(folder, group[0]["gallery"], controls) if detailed else None,
        "gallery": group[0].get("gallery"),
        "logs": sorted({path for entry in finals for path in entry.get("logs", {}).values()}),
        "timings": [
            (tables.control_title(entry["control"]), stage, seconds)
            for entry in finals
            for stage, seconds in entry.get("timings", {}).items()
        ],
    }


def _first(finals: list[tables.Entry], results: dict[str, Any]) -> list[str]:
    """Return what speaks for or against the figures, each sentence once, the gravest first.

    Leaks that the splits themselves show are among the notes. Of many looks the latest is told, of
    many verdicts how many cells came to each.
    """
    told = {e["id"]: _trust(e, results) for e in finals if e["control"] is None}
    ledgers = [one["ledger"] for one in told.values() if one["ledger"]]
    found = [ledger["stamp"] for ledger in ledgers]
    found += [
        f"Leak probe: {p}" for one in told.values() if (p := one["probe"] or "")[:5] == "leaks"
    ]
    looks = [ledger["look"] for ledger in ledgers if ledger["look"]]
    if looks:
        found.append(max(looks, key=lambda look: look["number"])["sentence"])
    verdicts = [one["verdict"] for one in told.values() if one["verdict"]]
    kinds = Counter(verdict["kind"] for verdict in verdicts)
    if len(told) == 1:
        found += [verdict["sentence"] for verdict in verdicts]
    elif kinds:
        told_of = ", ".join(f"{kind} ({n} of {len(told)} cells)" for kind, n in kinds.items())
        found.append(f"What the EEG contributes: {told_of}.")
    return list(dict.fromkeys(filter(None, found)))


def _trust(entry: tables.Entry, results: dict[str, Any]) -> dict[str, Any]:
    """Return what says how far the figures of a cell can be trusted."""
    found = results.get("contribution", {}).get(entry["id"])
    return {
        "contribution": tables.contribution_rows(found) if found else [],
        "over": [tables.control_title(control) for control in found["over"]] if found else [],
        "verdict": found["verdict"] if found else None,
        "leakage": entry.get("leakage"),
        "ledger": entry.get("ledger"),
        "probe": entry.get("probe"),
    }


def _failures(group: list[tables.Entry]) -> list[tuple[str, str]]:
    pairs = [(f["node"], f["message"]) for entry in group for f in entry.get("failures", [])]
    return list(dict.fromkeys(pairs))


def _logs(folder: Path, finals: list[tables.Entry]) -> dict[str, pd.DataFrame]:
    """Return the training logs of a cell by title, each once."""
    found: dict[str, pd.DataFrame] = {}
    paths: set[str] = set()
    for entry in finals:
        for stage, path in entry.get("logs", {}).items():
            if path in paths or not (folder / path).is_file():
                continue
            paths.add(path)
            title = "encoder" if stage == "encode" else tables.control_title(entry["control"])
            log = pd.read_csv(folder / path)
            if len(log) and {"step", "epoch", "loss"} <= set(log):
                found.setdefault(title, log)
    return found


def _shared_notes(groups: list[list[tables.Entry]]) -> list[str]:
    """Return the notes that every cell carries; they stand at the head of the page."""
    notes = [group[0].get("notes", []) for group in groups]
    return [note for note in notes[0] if all(note in other for other in notes)] if notes else []


def _provenance(about: dict[str, Any]) -> list[tuple[str, str]]:
    """Return what the run was made with, as lines of a table."""
    lines: list[tuple[str, Any]] = []
    if "seconds" in about:
        lines.append(("this run took", f"{about['seconds']:.0f} s"))
    if nodes := about.get("nodes"):
        reused = sum(node.get("state") == "reused" for node in nodes)
        lines.append(("stage runs", f"{len(nodes)}, of which reused {reused}"))
    lines += about.get("machine", {}).items()
    lines += [(f"data set {name}", value) for name, value in about.get("datasets", {}).items()]
    for weights in about.get("weights", []):
        revision = f"revision {weights['revision']}, " if weights.get("revision") else ""
        lines.append((f"weights {weights['name']}", f"{revision}sha256 {weights['sha256']}"))
    lines += [("code", about["code"])] if "code" in about else []
    lines += about.get("versions", {}).items()
    return [(name, "not recorded" if value is None else str(value)) for name, value in lines]


def _results(folder: Path) -> dict[str, Any]:
    path = folder / "results.json"
    if not path.is_file():
        raise UserError(
            f"{folder} holds no results.json; name a run folder, for example runs/latest"
        )
    results = _json(path)
    cells = results.get("cells") if isinstance(results, dict) else None
    known = isinstance(cells, list) and all(isinstance(c, dict) and c.keys() >= KEYS for c in cells)
    if not cells or not known:
        raise UserError(f"{path} is not a run's results.json with cells and their figures")
    return results


def _json(path: Path) -> Any:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no text at all
        raise UserError(f"{path} is not JSON ({error}); run the recipe again") from error


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
