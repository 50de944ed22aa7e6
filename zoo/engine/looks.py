"""Looks at a test: under how many settings its figures have been seen, kept in the store.

One file for each set of test trials, ``looks/<hash>.jsonl``, one line for each settings in the
order of their first figures. Whoever chooses among figures of one test chooses on test, so the
number stands beside them. Seeds, metrics, controls, the recipe's name and what only saves memory
are no settings; data set, split, band, window, encoder, conditioner, pipeline and a snapshot's step
are.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from registry.errors import UserError
from zoo.engine.graph import CellPlan, Plan, Variant
from zoo.engine.keys import canonical, typed, untyped
from zoo.engine.store import Store
from zoo.recipe.cells import Block, Cell, Recipe
from zoo.registries import REGISTRIES

#: Differences that are spelt out; the others are counted.
SPELT_OUT = 4
_KINDS = ("dataset", "encoder", "conditioner", "pipeline")
#: Of training, what is named elsewhere or saves memory without another result.
_NO_SETTINGS = ("objective", "snapshots", "checkpointing")

Line = dict[str, Any]
#: A line that a disk or a hand has damaged: a look all the same, under settings nobody knows.
_DAMAGED: Line = {"settings": None, "blocks": None}


class Row(NamedTuple):
    """A cell at the end of training (step None) or at a snapshot."""

    cell: str
    step: int | None


def record_looks(recipe: Recipe, plan: Plan, store: Store) -> dict[Row, dict[str, Any]]:
    """Record the settings whose test figures are in the store, and say how many there were.

    Settings that are known already are the look that they were, so a killed run that is resumed,
    and a run that is repeated, count once.

    Returns
    -------
    dict
        ``(cell id, step)`` -> ``number`` (of this look), ``total`` (seen so far), ``ordinal``
        ("4th"), ``test`` (name of the file), ``first`` (when, UTC), ``recipe`` (that made it),
        ``differs_from`` (the earlier look most like it, or None), ``differs`` (list of str),
        ``recorded`` (False where the store cannot be written) and ``sentence``. Cells without a
        figure on test have no entry.
    """
    tests: dict[str, dict[Row, Line]] = {}
    for cell in plan.cells:
        tested = cell.cell.score_on == "test" and store.valid(cell.select)
        for variant in cell.variants if tested else ():
            if variant.control is None and _has_figure(variant, store):
                row = Row(cell.cell.id, variant.step)
                end = cell.cell.conditioner.train.get("steps")  # whose pictures are the same
                blocks = settings(cell.cell, None if variant.step == end else variant.step)
                line: Line = {"settings": _digest(canonical(blocks)), "recipe": recipe.name}
                line |= {"cell": row.cell, "blocks": blocks}
                tests.setdefault(test_set(cell, store), {})[row] = line
    found = {}
    for test, lines in tests.items():
        looks, recorded = _recorded(store, test, lines.values())
        number = {look["settings"]: n for n, look in enumerate(looks, 1)}
        for row, line in lines.items():
            n = number[line["settings"]]
            found[row] = _about(looks[n - 1], n, len(looks), test, recorded=recorded)
    return found


def test_set(cell: CellPlan, store: Store) -> str:
    """Return the name of a cell's test: a hash of its trials, whatever was made of their EEG."""
    import numpy as np

    with np.load(store.path(cell.select) / "select.npz", allow_pickle=False) as stored:
        trials = np.sort(stored["trial_key"][stored["split"] == "test"])
    return _digest(f"{cell.cell.dataset.name} {trials.tolist()}")


def settings(cell: Cell, step: int | None = None) -> dict[str, Any]:
    """Return everything that was decided about a cell, but for seeds, metrics and controls."""
    found = {kind: _block(kind, getattr(cell, kind)) for kind in _KINDS}
    return found if step is None else {**found, "step": step}


def ordinal(number: int) -> str:
    """Return "1st", "2nd", "3rd", "4th", "11th", "22nd" ..."""
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if number % 100 in (11, 12, 13) else ending}"


def _block(kind: str, block: Block) -> dict[str, Any]:
    train = {k: v for k, v in block.train.items() if k not in _NO_SETTINGS}
    if train.get("init_from"):
        train["init_from"] = {k: v for k, v in train["init_from"].items() if k != "seed"}
    found = {"name": block.name, "params": typed(REGISTRIES[kind].spec(block.name), block.params)}
    found |= {"train": untyped(train)} if train else {}
    sample = {k: v for k, v in block.sample.items() if k != "batch_size"}  # saves memory, too
    found |= {"sample": untyped(sample)} if sample else {}
    if "objective" in block.train:
        objective = block.train["objective"]
        spec = REGISTRIES["objective"].spec(objective["name"])
        found["objective"] = {"name": spec.name, "params": typed(spec, objective["params"])}
    return found


def _has_figure(variant: Variant, store: Store) -> bool:
    files = [store.path(k) / "metric.json" for k in variant.metrics.values() if store.valid(k)]
    return any(json.loads(file.read_text("utf-8")).get("value") is not None for file in files)


def _recorded(store: Store, test: str, lines: Iterable[Line]) -> tuple[list[Line], bool]:
    """Return all looks at a test, `lines` among them, and whether they are in the store."""
    file, lines = store.root / "looks" / f"{test}.jsonl", list(lines)
    try:
        looks = _read(file)
        if _new(looks, lines):
            with store.lock(f"looks-{test}"):
                looks = _read(file)
                _append(file, _new(looks, lines))
        return _read(file), True
    except (OSError, UserError):  # another user's store, or a full disk: the figures stand
        looks = []
        with suppress(OSError):
            looks = _read(file)
        return [*looks, *_new(looks, lines)], False


def _new(looks: list[Line], lines: list[Line]) -> list[Line]:
    """Return the lines whose settings are not among `looks`, once each, with what is new."""
    all_looks, now = list(looks), datetime.now(UTC).isoformat(timespec="seconds")
    for line in lines:
        if line["settings"] not in {look["settings"] for look in all_looks}:
            nearest, differs = _nearest(all_looks, line["blocks"])
            about = {"time": now, "differs_from": nearest, "differs": differs}
            all_looks.append({"look": len(all_looks) + 1, **line, **about})
    return all_looks[len(looks) :]


def _nearest(looks: list[Line], blocks: dict[str, Any]) -> tuple[int | None, list[str]]:
    """Return the number of the look most like `blocks`, the latest of several, and what differs."""
    known = [i for i, look in enumerate(looks) if look["blocks"] is not None]
    if not known:
        return None, []
    lists = {i: _differences(looks[i]["blocks"], blocks) for i in known}
    at = min(known, key=lambda i: (len(lists[i]), -i))
    return at + 1, lists[at]


def _differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Return what differs, a word for each setting; of another component its name alone."""
    words = []
    for kind in (*_KINDS, "step"):
        mine, theirs = new.get(kind), old.get(kind)
        if kind == "step" or not isinstance(mine, dict) or not isinstance(theirs, dict):
            words += [f"{kind}: {_said(theirs)} → {_said(mine)}"] if mine != theirs else []
        elif mine["name"] != theirs["name"]:
            words.append(f"{kind}: {theirs['name']} → {mine['name']}")
        else:
            one, other = _flat(theirs, kind), _flat(mine, kind)
            words += [
                f"{path}: {_said(one.get(path))} → {_said(other.get(path))}"
                for path in dict.fromkeys([*one, *other])
                if one.get(path) != other.get(path)
            ]
    return words


def _flat(block: Mapping[str, Any], path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in block.items():
        inner = f"{path}.{key}"
        found |= _flat(value, inner) if isinstance(value, Mapping) and value else {inner: value}
    return found


def _said(value: Any) -> str:
    return "none" if value is None else str(value)


def _about(look: Line, number: int, total: int, test: str, *, recorded: bool) -> dict[str, Any]:
    shown = look["differs"][:SPELT_OUT]
    more = len(look["differs"]) - len(shown)
    sentence = (
        f"{ordinal(number)} look at this test: settings {number} of {total} seen so far"
        + (f"; as the {ordinal(look['differs_from'])}, but {', '.join(shown)}" if shown else "")
        + (f" and {more} more" if more else "")
        + ("." if recorded else "; the store cannot be written, so it is not recorded.")
    )
    return {
        "number": number,
        "total": total,
        "ordinal": ordinal(number),
        "test": test,
        "first": look["time"],
        "recipe": look["recipe"],
        "differs_from": look["differs_from"],
        "differs": look["differs"],
        "recorded": recorded,
        "sentence": sentence,
    }


def _read(file: Path) -> list[Line]:
    """Return the whole lines of a file; one cut off by a crash is no look."""
    if not file.is_file():
        return []
    whole = file.read_bytes().rpartition(b"\n")[0]
    return [_line(text) for text in whole.splitlines()]


def _line(text: bytes) -> Line:
    try:
        found = json.loads(text)
    except ValueError:
        return _DAMAGED
    return found if isinstance(found, dict) and found.keys() >= _DAMAGED.keys() else _DAMAGED


def _append(file: Path, lines: list[Line]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+b") as stream:
        stream.seek(0)
        stream.truncate(stream.read().rfind(b"\n") + 1)  # what a crash cut off
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        stream.write(text.encode())
        stream.flush()
        os.fsync(stream.fileno())


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
