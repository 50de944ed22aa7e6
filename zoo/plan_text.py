"""What `zoo plan` prints, as text and as JSON with one node a line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from pydantic_core import to_json

from zoo.listing import columns, count_of

#: Most stage runs, and most cells, that the text names; ``--json`` names all.
LISTED, CELLS = 24, 24
#: How many cells at either end of a larger grid are named before a run.
ENDS = 3
#: Most trainings that the text names one by one, and most values of an axis.
TRAININGS, VALUES = 12, 12
#: Said of the time of encoders of which the store holds none.
GUESS = (
    "Of that time {} for encoders is a guess, alike for all and for most within a factor of four; "
    "the first that is done tells the time of the next."
)
#: A seed in a label: of the stage, or in the id of the cell.
_SEED = re.compile(r" · seed -?\d+| \[seed=-?\d+\]|(?<=\[)seed=-?\d+,|,seed=-?\d+(?=[,\]])")


def plan_json(plan: Mapping[str, Any]) -> str:
    """Return the plan as JSON, one line for each entry of a list: a grid has thousands of nodes.

    By pydantic, which is three times as fast as json, and put together as bytes, as it gives them:
    a large grid has a hundred MB of them.
    """
    entries = [b"  %b: %b" % (to_json(key), _lines(value)) for key, value in plan.items()]
    return (b"{\n%b\n}" % b",\n".join(entries)).decode()


def _lines(value: Any) -> bytes:
    if isinstance(value, list) and value:
        return b"[\n    %b\n  ]" % b",\n    ".join([to_json(item) for item in value])
    if isinstance(value, dict) and value:
        entries = [to_json({key: one})[1:-1] for key, one in value.items()]
        return b"{\n    %b\n  }" % b",\n    ".join(entries)
    return to_json(value)


def plan_text(plan: Mapping[str, Any]) -> str:
    """Return cells, counts, what is to run and what that will take, as text."""
    cells = "1 cell" if plan["cells"] == 1 else f"{plan['cells']} cells"
    parts = [
        f"{plan['recipe']}: {cells}, {plan['distinct']} distinct stage runs "
        f"({plan['unshared']} if nothing were shared)",
        *_cells(plan["grid"]),
        *(["\n".join(plan["replaced"])] if plan.get("replaced") else []),
        _stages(plan),
        *_trainings(plan),
        _waiting(plan["nodes"]),
    ]
    if plan.get("missing"):
        sentences = "\n".join(f"  {sentence}" for sentence in plan["missing"])
        parts.append(
            f"Metrics without a value, since they look through what is missing:\n{sentences}"
        )
    if plan.get("training"):
        rows = _summed([_expected(facts) for facts in plan["training"]])
        more = _more(len(rows) - LISTED, "kinds of trainings")
        table = columns(rows[:LISTED])
        parts.append("Training of conditioners, predicted:\n" + table + more)
    if plan.get("forecast"):
        parts.append(_forecast(plan["forecast"]))
    return "\n\n".join(parts)


def _cells(grid: list[dict[str, Any]]) -> list[str]:
    """Return the cells by id with their coordinates; nothing where there is one without any.

    Of many cells the axes with their values are told instead.
    """
    if not _is_grid(grid):
        return []
    if len(grid) > CELLS:
        return [_axes(grid)]
    return ["Cells:\n" + columns([_cell(one) for one in grid])]


def cells_briefly(grid: list[dict[str, Any]]) -> str:
    """Return what `zoo run` says of its cells before anything runs, a line each.

    Of more than `CELLS` the first and the last are named, and how many lie between. Empty where
    there is one cell without coordinates.
    """
    if not _is_grid(grid):
        return ""
    if len(grid) <= CELLS:
        return columns([_cell(one) for one in grid])
    lines = columns([_cell(one) for one in [*grid[:ENDS], *grid[-ENDS:]]]).splitlines()
    lines.insert(ENDS, f"  and {len(grid) - 2 * ENDS} more between; zoo plan --json names all")
    return "\n".join(lines)


def _is_grid(grid: list[dict[str, Any]]) -> bool:
    return len(grid) > 1 or bool(grid[0]["coords"])


def _cell(one: dict[str, Any]) -> tuple[str, str]:
    return f"  {one['id']}", ", ".join(f"{k}={_written(v)}" for k, v in one["coords"].items())


def _axes(grid: list[dict[str, Any]]) -> str:
    """Return the axes of a large grid, how many values each has, and which."""
    axes: dict[str, dict[str, None]] = {}
    for one in grid:
        for axis, value in one["coords"].items():
            axes.setdefault(axis, {})[_written(value)] = None
    rows = []
    for axis, values in axes.items():
        shown = [*list(values)[:VALUES], *(["..."] if len(values) > VALUES else [])]
        rows.append((f"  {axis}", str(len(values)), ", ".join(shown)))
    return (
        f"Cells: {len(grid)}, by axis the number of values and the values:\n{columns(rows)}\n"
        f"  the first is called {grid[0]['id']}; --json names all"
    )


def _written(value: Any) -> str:
    """Return a value as a recipe writes it on one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {_written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    return value if isinstance(value, str) else json.dumps(value)


def _summed(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the trainings one by one; of more, those alike but for their seed as one row.

    Where that leaves still too many to read, those alike in all that is predicted of them.
    """
    if len(rows) <= TRAININGS:
        return rows
    found = _alike(rows, lambda label: _SEED.sub("", label))
    if len(found) > TRAININGS:
        fewer = _alike(rows, lambda label: _SEED.sub("", label.partition(" [")[0]))
        found = fewer if len(fewer) <= TRAININGS else found
    return found


def _alike(rows: list[tuple[str, ...]], called: Callable[[str], str]) -> list[tuple[str, ...]]:
    counts: dict[tuple[str, ...], int] = {}
    for label, *facts in rows:
        row = (called(label), *facts)
        counts[row] = counts.get(row, 0) + 1
    return [(label, f"x {count}", *facts) for (label, *facts), count in counts.items()]


def _stages(plan: Mapping[str, Any]) -> str:
    """Return a table of the stages: counts and, where they are predicted, time and disk."""
    expected = plan.get("forecast", {}).get("stages", {})
    head = ("stage", "distinct", "in the store", "to run")
    table = [(*head, "time", "memory", "disk") if expected else head]
    held: dict[str, int] = {}
    for node in plan["nodes"]:
        held[node["stage"]] = held.get(node["stage"], 0) + (node["state"] == "valid")
    for stage, distinct in plan["stages"].items():
        row = (stage, str(distinct), str(held[stage]), str(distinct - held[stage]))
        table.append((*row, *_taken(expected[stage])) if expected else row)
    if expected:
        counts = (str(plan["distinct"]), str(plan["cached"]), str(plan["to_run"]))
        table.append(("in all", *counts, *_taken(plan["forecast"]["total"])))
    return columns(table)


def _taken(facts: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return time, memory and disk of some runs.

    "at least" where a part is not known, "about" where one is a guess.
    """
    if not facts["to_run"]:
        return "-", "-", "-"
    memory = facts["memory_bytes"]
    time = _at_least(facts, "seconds", "seconds_unknown", duration(facts["seconds"]))
    return (
        f"about {duration(facts['seconds'])}" if facts["seconds_rough"] else time,
        "not predicted" if memory is None else size(memory),
        _at_least(facts, "disk_bytes", "disk_unknown", size(facts["disk_bytes"])),
    )


def _at_least(facts: Mapping[str, Any], what: str, missing: str, shown: str) -> str:
    if not facts[missing]:
        return shown
    return f"at least {shown}" if facts[what] else "unknown"


def _trainings(plan: Mapping[str, Any]) -> list[str]:
    found = plan.get("trainings")
    if not found:
        return []
    words = {"encode": "of encoders", "condition": "of conditioners"}
    told = []
    for stage, facts in found.items():
        told.append(f"{facts['distinct']} {words[stage]} ({facts['to_run']} to run)")
        if facts["taken_over"]:
            told[-1] += f" and {facts['taken_over']} taken over"
    return [f"Trainings: {', '.join(told)}."]


def _waiting(nodes: list[dict[str, Any]]) -> str:
    labels = [node["label"] for node in nodes if node["state"] != "valid"]
    if not labels:
        return "Nothing to run."
    more = _more(len(labels) - LISTED, "stage runs")
    return "\n  ".join(["To run, in this order:", *labels[:LISTED]]) + more


def _more(count: int, what: str) -> str:
    return f"\n  and {count} more {what}; --json lists all" if count > 0 else ""


def _forecast(facts: Mapping[str, Any]) -> str:
    """Return the totals, whether the disk holds them, and what they leave out."""
    total = facts["total"]
    taken, memory, disk = _taken(total)
    free = size(facts["free_bytes"])
    lines = [f"In the store already: {size(facts['in_store_bytes'])}; free there: {free}."]
    if total["to_run"]:
        known = f" ({total['seconds'] / 60:.1f} minutes)" if total["seconds"] >= 7200 else ""
        known += _without(facts["stages"]) if total["seconds"] else ""
        guess = [GUESS.format(duration(total["seconds_rough"]))] if total["seconds_rough"] else []
        said = f"To run: time {taken}{known}, memory up to {memory}, disk {disk}."
        lines = [said, *guess, *lines]
        if facts["temporary_bytes"]:
            lines.append(f"Checkpoints while training: {size(facts['temporary_bytes'])} more.")
    if facts["run_folder_bytes"] is not None:
        lines.append(f"The run folder: {size(facts['run_folder_bytes'])}.")
    if not facts["fits"]:
        lines.append(f"THE DISK IS TOO SMALL: {disk} are needed, {free} are free.")
    return "\n".join([*lines, *(f"Left out: {note}." for note in facts["notes"])])


def _without(stages: Mapping[str, Any]) -> str:
    """Return how many runs of which stages a sum of times leaves out."""
    counts = {stage: one["seconds_unknown"] for stage, one in stages.items()}
    if not any(counts.values()):
        return ""
    named = ", ".join(f"{n} {stage}" for stage, n in counts.items() if n)
    return f" without {sum(counts.values())} stage runs of unknown time ({named})"


def _expected(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a row: label, parameters, memory, operations, time."""
    label = f"  {facts['label'].removeprefix('condition ')}"
    if "reason" in facts:
        return label, f"not predicted: {facts['reason']}", "", "", ""
    steps, each = facts["steps"], facts["seconds_per_step"]
    work = f"{facts['flops_per_step'] / 1e12:.3g} TFLOP a step"
    if each is not None:
        work += f", {duration(each)} on these threads"
    if facts["seconds"] is not None:
        total = f"{steps} steps in {duration(facts['seconds'])}"
    else:
        total = f"{steps} steps" if steps is not None else "steps: known once trials are selected"
    trained = f"{count_of(sum(facts['parameters'].values()))} parameters trained"
    return label, trained, f"{facts['memory_bytes'] / 1e9:.2g} GB", work, total


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it: "3.2 s", "14 min", "6.5 h"."""
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def size(count: float) -> str:
    """Return bytes in the unit that suits them: "0.4 MB", "12 GB"."""
    for unit, one in (("TB", 1e12), ("GB", 1e9)):
        if count >= one:
            return f"{count / one:.3g} {unit}"
    return f"{count / 1e6:.3g} MB"
