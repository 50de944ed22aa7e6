"""What chose the weights and the settings behind a cell's figures, and on which split."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoo.engine.graph import CellPlan, Plan
from zoo.engine.leakage import percent
from zoo.engine.store import Store
from zoo.recipe.cells import Block, Cell, Recipe
from zoo.recipe.sources import NOT_SAID, note_on, notes

_KINDS = ("dataset", "encoder", "conditioner", "pipeline")


def ledger_entry(
    recipe: Recipe,
    cell: CellPlan,
    plan: Plan,
    store: Store,
    look: dict[str, Any] | None = None,
    *,
    differing: frozenset[str] | None = None,
) -> dict[str, Any]:
    """Return who chose what of a cell.

    Parameters
    ----------
    recipe : Recipe
        Its `sources` say where settings come from.
    cell : CellPlan
    plan : Plan
        Tells what the cell's trainings started from.
    store : Store
        Trainings that are not in it are left out.
    look : dict, optional
        Of this cell, from `zoo.engine.looks.record_looks`.
    differing : frozenset of str, optional
        What `differing_in` says of the recipe, where it is known.

    Returns
    -------
    dict
        ``checkpoints`` (list, see `_encoder` and `_conditioner`: ``stage``, ``rule``, ``score``,
        ``value``, ``split``, ``at``, ``of``, ``unit``, ``on_test``, ``sentence``); ``settings``
        (list of ``from`` (words or None), ``chosen_on``, ``paths``); ``chosen_on_test``
        (list of str); ``stamp`` (a loud sentence, or None); ``look`` (as given).
    """
    checkpoints = [*_encoders(cell, plan, store), *_conditioners(cell, plan, store)]
    checkpoints += _encoders_behind(cell, plan, store)
    varied = _varied(cell.cell, differing_in(recipe) if differing is None else differing)
    on_test = [*_noted_on_test(recipe, cell.cell, varied)]
    on_test += [
        f"checkpoint of the {one['stage']} ({percent(one['on_test'])} of these test trials)"
        for one in checkpoints
        if one["on_test"]
    ]
    return {
        "checkpoints": checkpoints,
        "settings": _settings(recipe, cell.cell, varied),
        "chosen_on_test": on_test,
        "stamp": _stamp(on_test),
        "look": look,
    }


def differing_in(recipe: Recipe) -> frozenset[str]:
    """Return the dotted paths of the settings that are not the same in all cells of a recipe."""
    found: set[str] = set()
    first = _values(recipe.cells[0])
    for cell in recipe.cells[1:]:
        values = _values(cell)
        found |= first.keys() ^ values.keys()
        found |= {path for path, value in values.items() if path in first and first[path] != value}
    return frozenset(found)


def _stamp(on_test: list[str]) -> str | None:
    if not on_test:
        return None
    return (
        f"CHOSEN ON TEST: {'; '.join(on_test)}. Figures on this test are the best of what was "
        "tried on it, not what to expect of new trials."
    )


def _encoders(cell: CellPlan, plan: Plan, store: Store) -> Iterator[dict[str, Any]]:
    """Yield the encoder's checkpoint, then those that its training started from."""
    for depth, key in enumerate(_chain(cell.encode, plan)):
        if store.valid(key):
            who = "encoder" if not depth else "encoder that it started from"
            yield _encoder(who, store.path(key), _share_on_test(key, cell, plan, store))


def _encoder(who: str, folder: Path, on_test: float) -> dict[str, Any]:
    about = json.loads((folder / "encode.json").read_text("utf-8"))
    best = about.get("selected") == "best"
    score = next((n.removesuffix("_definition") for n in about if n.endswith("_definition")), None)
    at, of = about.get("selected_epoch"), about.get("epochs")
    said = f"of the {who}, the last epoch ({of}) was taken, nothing was chosen"
    if best:
        said = f"of the {who}, epoch {at} of {of} was chosen on val, by the highest {score}"
        said += f"; val held {percent(on_test)} of these test trials" if on_test else ""
    elif not about.get("steps"):
        said = f"the {who} was taken as it was, no step was trained"
    return {
        "stage": who,
        "rule": f"highest {score}, the earliest of several" if best else "last",
        "score": score if best else None,
        "value": about.get(score) if best and score else None,
        "split": "val" if best else None,
        "at": at,
        "of": of,
        "unit": "epoch",
        "on_test": on_test if best else 0.0,
        "sentence": f"{said[0].upper()}{said[1:]}.",
    }


def _conditioners(cell: CellPlan, plan: Plan, store: Store) -> Iterator[dict[str, Any]]:
    """Yield the conditioner's checkpoint, then those that its training started from."""
    trained = cell.variants[0].condition
    if trained is None:
        return
    for depth, key in enumerate(_chain(trained, plan)):
        file = store.path(key) / "condition.json"
        if store.valid(key) and file.is_file():
            who = "conditioner" if not depth else "conditioner that it started from"
            yield _conditioner(who, json.loads(file.read_text("utf-8")))


def _encoders_behind(cell: CellPlan, plan: Plan, store: Store) -> Iterator[dict[str, Any]]:
    """Yield other encoders' checkpoints, whose tokens trained what the conditioner started from."""
    trained = cell.variants[0].condition
    if trained is None:
        return
    known = set(_chain(cell.encode, plan))
    for source in [*_chain(trained, plan)][1:]:
        for key in _chain(plan.nodes[source].inputs["encode"], plan):
            if key not in known and store.valid(key):
                who = "encoder behind the conditioner that it started from"
                yield _encoder(who, store.path(key), _share_on_test(key, cell, plan, store))
            known.add(key)


def _conditioner(who: str, about: dict[str, Any]) -> dict[str, Any]:
    steps = about["steps"]
    return {
        "stage": who,
        "rule": "last",
        "score": None,
        "value": None,
        "split": None,
        "at": steps,
        "of": steps,
        "unit": "step",
        "on_test": 0.0,
        "sentence": f"Of the {who}, the last step ({steps}) was taken, nothing was chosen.",
    }


def _chain(key: str, plan: Plan) -> Iterator[str]:
    """Yield a training, and one after the other those that it started from."""
    found: str | None = key
    while found is not None:
        yield found
        found = plan.nodes[found].inputs.get("init")


def _share_on_test(key: str, cell: CellPlan, plan: Plan, store: Store) -> float:
    """Return the share of the cell's test trials in the val split of one training."""
    import numpy as np

    from zoo.stages._lineage import Lineage

    select = plan.nodes[key].inputs["select"]
    if not (store.valid(select) and store.valid(cell.select)):
        return 0.0
    val = Lineage.of(store.path(select), trained=False, chosen=True).chosen
    with np.load(store.path(cell.select) / "select.npz", allow_pickle=False) as stored:
        trials = stored["trial_key"][stored["split"] == "test"]
    return float(np.isin(trials, val).mean())


def _settings(recipe: Recipe, cell: Cell, varied: set[str]) -> list[dict[str, Any]]:
    """Return every setting of the cell by where it comes from; those of unknown origin last."""
    known = notes(recipe.sources)
    groups: dict[tuple[str | None, str], list[str]] = {}
    for path in _values(cell):
        note = note_on(path, known)
        said = (None, NOT_SAID) if note is None else (note.origin, note.chosen_on)
        if path in varied:
            said = ("varied by the grid", "none")  # all of its values are shown
        groups.setdefault(said, []).append(path)
    return [
        {"from": origin, "chosen_on": chosen_on, "paths": paths}
        for (origin, chosen_on), paths in sorted(groups.items(), key=lambda one: one[0][0] is None)
    ]


def _noted_on_test(recipe: Recipe, cell: Cell, varied: set[str]) -> Iterator[str]:
    """Yield the paths of the notes that say so of a setting that the grid does not vary."""
    known = notes(recipe.sources)
    in_use = {note_on(path, known) for path in _values(cell) if path not in varied}
    for path, note in known.items():
        of_cell = path.partition(".")[0] in _KINDS  # of the others (metrics ...) all are in use
        if note.chosen_on == "test" and (note in in_use or not of_cell):
            yield path


def _varied(cell: Cell, differing: frozenset[str]) -> set[str]:
    """Return the settings that differ between cells along an axis.

    An axis of whole components (``encoder``) leaves what all of them share as it is; what arms
    set was chosen.
    """
    by_arms = (*cell.tuned, *cell.given)
    return {
        path
        for path in differing & _values(cell).keys()
        if any(f"{path}.".startswith(f"{axis}.") for axis in cell.coords)
        and not any(f"{path}.".startswith(f"{set_here}.") for set_here in by_arms)
    }


def _values(cell: Cell) -> dict[str, Any]:
    """Return every setting of a cell by its dotted path."""
    found: dict[str, Any] = {}
    for kind in _KINDS:
        block: Block = getattr(cell, kind)
        found[f"{kind}.name"] = block.name
        found |= {f"{kind}.params.{name}": value for name, value in block.params.items()}
        for name, value in block.train.items():
            if name == "lr" and isinstance(value, dict):
                found |= {f"{kind}.train.lr.{group}": rate for group, rate in value.items()}
            elif name not in ("epochs", "steps") or value is not None:
                found[f"{kind}.train.{name}"] = value
        found |= {f"{kind}.sample.{name}": value for name, value in block.sample.items()}
    return found
