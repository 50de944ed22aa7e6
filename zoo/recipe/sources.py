"""The `sources` of a recipe: notes where its choices come from, by the paths they are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from registry import ComponentError, did_you_mean
from zoo.recipe.errors import Problems
from zoo.recipe.nodes import Node
from zoo.recipe.overrides import path_problem
from zoo.registries import REGISTRIES

_WITH_PARAMS = ("dataset", "encoder", "conditioner", "pipeline")


def check_sources(entries: Mapping[str, Node], trees: Sequence[Node], problems: Problems) -> None:
    """Note every entry that is about no setting, or says nothing.

    Parameters
    ----------
    entries : mapping
        Dotted path -> note.
    trees : sequence of Node
        The merged tree of every cell, with and without stand-ins: a note may be about any.
    problems : Problems
    """
    for dotted, node in entries.items():
        problem = path_problem(dotted) or _parameter_problem(dotted, trees)
        if problem is None and not isinstance(node.value, str):
            problem = "must say in words where the choice comes from"
        if problem is not None:
            problems.add(node.where, problem)


def _parameter_problem(dotted: str, trees: Sequence[Node]) -> str | None:
    """Return what is wrong with a path like "encoder.params.n_tokens": no component takes it."""
    kind, *rest = dotted.split(".")
    if kind not in _WITH_PARAMS or len(rest) < 2 or rest[0] != "params":
        return None
    found = (tree.at((kind, "name")) for tree in trees)
    names = sorted({str(node.value) for node in found if node is not None})
    known: dict[str, None] = {}
    for name in names:
        try:
            known.update(dict.fromkeys(p.name for p in REGISTRIES[kind].spec(name).parameters))
        except ComponentError:  # reported where it is named, or replaced by a stand-in
            return None
    if not names or rest[1] in known:
        return None
    hint = did_you_mean(rest[1], known)
    return f"{kind} {' and '.join(map(repr, names))} has no parameter {rest[1]!r}. {hint}".strip()
