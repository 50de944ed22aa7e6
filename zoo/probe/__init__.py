"""The leak probe: does a recipe's data let a decoder find the class without the response?

>>> from zoo.probe import probe                                              # doctest: +SKIP
>>> probe(load_recipe("paper")).sentence                                     # doctest: +SKIP
'no leak found by these probes (that is no proof): ...'
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from registry import BadParameters, UserError
from zoo.contracts import DataError
from zoo.engine.execute import execute
from zoo.engine.graph import Plan
from zoo.engine.probing import plan_data, plan_probe
from zoo.engine.roots import Roots
from zoo.engine.store import Store
from zoo.recipe import Recipe
from zoo.recipe.cells import Cell

#: Seconds from onset that no response reaches, the first that the data set has: a fifth of a
#: second before the picture; or, where recordings begin with it, the time that it takes from the
#: eye to the cortex.
INTERVALS = ((-0.2, 0.0), (0.0, 0.04))


@dataclass(frozen=True)
class Finding:
    """What the probe found in one data set as one recipe prepares and selects it.

    Parameters
    ----------
    dataset : str
        Its name.
    cells : tuple of str
        Ids of the recipe's cells that use it so.
    report : dict
        What the stage published: ``sentence``, ``parts`` and so on.
    """

    dataset: str
    cells: tuple[str, ...]
    report: dict[str, Any]

    @property
    def sentence(self) -> str:
        """What it comes to."""
        return str(self.report["sentence"])

    @property
    def leaks(self) -> bool:
        """True if a part fires."""
        return any(part["verdict"] == "fires" for part in self.report["parts"])


@dataclass(frozen=True)
class Probe:
    """What the probe found in each distinct data set of a recipe."""

    recipe: str
    data: str
    findings: tuple[Finding, ...]

    @property
    def sentence(self) -> str:
        """The sentence of the first data set in which a part fires; else of the first one."""
        return next((one for one in self.findings if one.leaks), self.findings[0]).sentence

    @property
    def leaks(self) -> bool:
        """True if a part fires on any of the data sets."""
        return any(one.leaks for one in self.findings)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dictionary."""
        found = [
            {"dataset": one.dataset, "cells": list(one.cells), **one.report}
            for one in self.findings
        ]
        head = {"recipe": self.recipe, "data": self.data, "leaks": self.leaks}
        return {**head, "sentence": self.sentence, "datasets": found}


def probe(
    recipe: Recipe,
    *,
    data_root: Path | str | None = None,
    image_root: Path | str | None = None,
    store: Store | Path | str | None = None,
    device: str = "cpu",
    threads: int | None = None,
    say: Callable[[str], None] | None = None,
) -> Probe:
    """Probe each distinct data set of a recipe, once.

    What is computed is kept in the store; a run of the same data then prints the sentence, too.

    Parameters
    ----------
    recipe : Recipe
        As `zoo.recipe.load_recipe` returns it.
    data_root, image_root : Path or None
        Where recordings and pictures are.
    store : Store, Path or None
        None is ``ZOO_STORE``, else the user's cache folder.
    device, threads
        As in `zoo.engine.run.run`; the probe itself runs on the CPU.
    say : callable, optional
        Is given lines of progress; by default they go to standard error.

    Raises
    ------
    UserError
        If the recordings are missing or cannot be prepared.
    """
    roots = Roots.resolve(data_root, image_root, None)
    store = store if isinstance(store, Store) else Store(store)
    say = say or partial(print, file=sys.stderr, flush=True)
    carry_out = partial(
        _carry_out, store=store, roots=roots, device=device, threads=threads, say=say
    )
    found: dict[tuple[str, str], tuple[Cell, list[str]]] = {}
    for cell in recipe.cells:
        plan, keys = plan_data(cell, roots, store)
        known = keys["prepare"], keys["select"]
        if known not in found:
            carry_out(plan)
            found[known] = cell, []
        found[known][1].append(cell.id)
    findings = tuple(
        Finding(cell.dataset.name, tuple(ids), _report(cell, roots, store, carry_out, say))
        for cell, ids in found.values()
    )
    return Probe(recipe.name, recipe.data, findings)


def _report(
    cell: Cell,
    roots: Roots,
    store: Store,
    carry_out: Callable[[Plan], None],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Run the probe with the first interval that the data set has, and return what it published."""
    refused = []
    intervals: Sequence[tuple[float, float] | None] = (*INTERVALS, None)
    if "window" not in cell.dataset.params:
        refused.append(f"data set {cell.dataset.name!r} has no parameter 'window'")
        intervals = (None,)
    for interval in intervals:
        try:
            plan, key = plan_probe(cell, roots, store, interval, refused)
            carry_out(plan)
        except (DataError, BadParameters) as error:
            if interval is None:
                raise
            refused.append(_first_line(error))
            say(f"    not there: {refused[-1]}")
        else:
            report: dict[str, Any] = json.loads((store.path(key) / "probe.json").read_text())
            return report
    raise AssertionError("the last attempt needs no interval")


def _carry_out(
    plan: Plan,
    *,
    store: Store,
    roots: Roots,
    device: str,
    threads: int | None,
    say: Callable[[str], None],
) -> None:
    """Run what the store lacks; an error of a stage is raised."""
    outcome = execute(plan, store, roots, device=device, threads=threads, say=say)
    for failure in outcome.failures.values():
        error = UserError(f"{failure.label} failed: {failure.message}")
        error.add_note(failure.traceback or "")
        raise error


def _first_line(error: UserError) -> str:
    return str(error).partition("\n")[0]
