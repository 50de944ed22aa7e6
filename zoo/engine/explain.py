"""Why a stage runs again: what sets a node apart from the nearest entry of the store."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from registry.errors import UserError, did_you_mean
from zoo.engine.code import code_of
from zoo.engine.explanation import Difference, Explained, Explanation
from zoo.engine.graph import CellPlan, Node, Plan
from zoo.engine.keys import canonical
from zoo.engine.store import Entry, Store
from zoo.recipe.errors import RecipeError
from zoo.registries import registry_of

#: Most cells that a message names.
NAMED = 10
#: How `zoo.engine.code` names the module of a plug-in: "plug-in encoder my_net".
PLUG_IN = "plug-in"
#: Which parameters say what a stage does.
_DOES = {"evaluate": ("metric",), "features": ("tower", "network", "name", "of")}
#: What is read of a manifest.
FACTS = ("params", "inputs", "code", "modules", "libraries")

#: What entries have in common that can be held against each other: the stage, and of stages that
#: do different things the metric or the network.
Work = tuple[str, ...]
#: (kind, name) -> canonical JSON of every ingredient of a key, as far as a manifest tells.
Ingredients = dict[tuple[str, str], str]


def explain(plan: Plan, store: Store, cell: str | None = None) -> Explanation:
    """Say of every node of a cell what keeps the store from having it; nothing is run or written.

    Parameters
    ----------
    plan : Plan
    store : Store
        The one that the plan was made with.
    cell : str or None
        Id of the cell; None where the recipe has one.

    Raises
    ------
    RecipeError
        There is no such cell, or several and none is named.
    """
    chosen = _cell(plan, cell)
    needed = plan.needs(chosen)
    shelf = _Shelf(store)
    found: dict[str, Explained] = {}
    for key, node in plan.nodes.items():
        if key in needed:
            state = plan.states[key]
            found[key] = (
                shelf.explain(node, found) if state == "missing" else Explained(node, state)
            )
    return Explanation(plan.recipe, chosen.cell.id, tuple(found.values()))


def _cell(plan: Plan, named: str | None) -> CellPlan:
    by_id = {cell.cell.id: cell for cell in plan.cells}
    if named is None and len(by_id) == 1:
        return plan.cells[0]
    if named in by_id:
        return by_id[named]
    known = ", ".join(list(by_id)[:NAMED])
    if len(by_id) > NAMED:
        known += f" and {len(by_id) - NAMED} more"
    if named is None:
        raise RecipeError(f"recipe {plan.recipe!r} has {len(by_id)} cells; name one: {known}")
    hint = did_you_mean(named, by_id)
    raise RecipeError(f"recipe {plan.recipe!r} has no cell {named!r}. {hint}Cells: {known}")


class _Shelf:
    """The finished entries of a store with their manifests, read once.

    Parameters
    ----------
    store : Store
    """

    def __init__(self, store: Store) -> None:
        self.entries: dict[str, Entry] = {}
        self.manifests: dict[str, dict[str, Any]] = {}
        self._unedited: dict[str, bool] = {}
        for entry in store.entries():
            with suppress(FileNotFoundError):  # pruned by another process since
                manifest = store.manifest(entry.key)
                self.manifests[entry.key] = {fact: manifest[fact] for fact in FACTS}
                self.entries[entry.key] = entry
        self.ingredients = {key: self._ingredients(key) for key in self.manifests}
        self.by_work: dict[Work, list[str]] = {}
        for key, made in self.manifests.items():
            work = _work(self.entries[key].stage, made["params"])
            self.by_work.setdefault(work, []).append(key)
        self.lineages: dict[str, set[str]] = {}

    def explain(self, node: Node, above: Mapping[str, Explained]) -> Explained:
        """Compare a missing node with the nearest entry; inputs may be explained `above`."""
        wanted = _flat(node.params, node.inputs, node.code.modules, node.code.libraries)

        def distance(key: str) -> tuple[int, int, float, str]:
            differing, entry = _differing(self.ingredients[key], wanted), self.entries[key]
            strangers = [
                role
                for kind, role in differing
                if kind == "input" and self._upstream(key, node, role, above) == "other"
            ]
            return len(differing), len(strangers), -entry.last_used, key

        alike = self.by_work.get(_work(node.stage, node.params))
        if not alike:
            return Explained(node, "missing")
        nearest = min(alike, key=distance)
        old = self.ingredients[nearest]
        differences = []
        for kind, name in sorted(_differing(old, wanted)):
            sides = old.get((kind, name)), wanted.get((kind, name))
            if kind == "source":
                differences += self._edited(nearest, node)
            elif kind == "input":
                upstream = self._upstream(nearest, node, name, above)
                differences.append(Difference(kind, name, *sides, upstream=upstream))
            elif not _only_filled(kind, name, sides, old, wanted):
                differences.append(Difference(kind, name, *sides))
        order = ["param", "code", "source", "library", "input"]
        differences.sort(key=lambda difference: order.index(difference.kind))
        return Explained(node, "missing", self.entries[nearest], tuple(differences))

    def _upstream(
        self, key: str, node: Node, role: str, above: Mapping[str, Explained]
    ) -> str | None:
        """Return where the input of `role` is explained; None where one of the two has none."""
        old = self.manifests[key]["inputs"].get(role)
        if old is None or role not in node.inputs:
            return None
        explained = above[node.inputs[role]]
        if explained.state == "valid":
            return "stored"
        near = explained.nearest
        return "above" if near and near.key == old else "other"

    def _ingredients(self, key: str) -> Ingredients:
        made = self.manifests[key]
        flat = _flat(made["params"], made["inputs"], made["modules"], made["libraries"])
        if not self._is_unedited(made):
            flat["source", ""] = made["code"]
        return flat

    def _is_unedited(self, made: Mapping[str, Any]) -> bool:
        """Return whether the modules behind an entry read today as they did then."""
        if made["code"] not in self._unedited:
            self._unedited[made["code"]] = made["code"] == _digest_today(made["modules"])
        return self._unedited[made["code"]]

    def _edited(self, key: str, node: Node) -> list[Difference]:
        """Say which of the modules that an entry and a node share may have been edited.

        A manifest keeps one digest for all modules of its node, so modules are ruled out. The keys
        of all inputs of an entry were made from one state of the source. So wherever an entry made
        from this one (or this one itself) goes back to a node whose code reads today as then, the
        modules of that node are as they were when this one was made.
        """
        family = {
            relative
            for descendant in self.manifests
            if key in (lineage := self._lineage(descendant))
            for relative in lineage
        }
        unedited = {
            module
            for relative in family
            if self._is_unedited(self.manifests[relative])
            for module in self.manifests[relative]["modules"]
        }
        suspects = set(self.manifests[key]["modules"]) - unedited
        shared = suspects & set(node.code.modules)
        among = tuple(sorted(shared))
        return [Difference("source", "", among=among, certain=shared == suspects)] if among else []

    def _lineage(self, key: str) -> set[str]:
        """Return an entry and all that it goes back to, as far as the store holds it."""
        if key not in self.lineages:
            held = [k for k in self.manifests[key]["inputs"].values() if k in self.manifests]
            self.lineages[key] = {key}.union(*(self._lineage(k) for k in held))
        return self.lineages[key]


def _work(stage: str, params: Mapping[str, Any]) -> Work:
    return stage, *(str(params.get(name)) for name in _DOES.get(stage, ()))


def _flat(
    params: Mapping[str, Any],
    inputs: Mapping[str, str],
    modules: Iterable[str],
    libraries: Mapping[str, str],
) -> Ingredients:
    return {
        **{("param", path): canonical(value) for path, value in _leaves(params)},
        **{("input", role): canonical(key) for role, key in inputs.items()},
        **{("code", module): canonical("used") for module in modules},
        **{("library", name): canonical(version) for name, version in libraries.items()},
    }


def _differing(old: Ingredients, new: Ingredients) -> set[tuple[str, str]]:
    return {ingredient for ingredient, _ in old.items() ^ new.items()}


def _leaves(block: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted path, value); an empty mapping is a value."""
    for name, value in block.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


def _only_filled(
    kind: str, name: str, sides: tuple[str | None, ...], old: Ingredients, new: Ingredients
) -> bool:
    """Return whether an empty mapping became a filled one or the reverse: its leaves say it."""
    return "{}" in sides and any(
        other == kind and path.startswith(f"{name}.") for other, path in {*old, *new}
    )


def _digest_today(modules: Iterable[str]) -> str | None:
    """Return the digest that code of just these modules has now; None where there is none."""
    own = [name for name in modules if not name.startswith(f"{PLUG_IN} ")]
    if not all(map(_exists, own)):
        return None
    plugged = [name.split(" ", 2)[1:] for name in modules if name.startswith(f"{PLUG_IN} ")]
    try:
        code = code_of(own, [registry_of(kind).spec(name) for kind, name in plugged])
    except UserError:  # a plug-in that is not given this time, or not readable
        return None
    return code.digest


def _exists(module: str) -> bool:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:  # its package is gone
        return False
    return bool(spec and spec.origin and Path(spec.origin).is_file())
