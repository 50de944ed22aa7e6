"""Dotted paths: which ones a recipe has, and the values that ``--set`` gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, get_origin

from pydantic import BaseModel

from registry.errors import did_you_mean
from zoo.recipe.errors import Problems, Where
from zoo.recipe.nodes import Node
from zoo.recipe.schema import CellModel, keys_of, model_within
from zoo.recipe.yaml_strict import parse

Path: TypeAlias = tuple[str, ...]
Assignments: TypeAlias = list[tuple[Path, Node]]

#: Where a path may go on freely: the component's signature, not the schema, knows the rest.
_OPEN = ("params",)
#: Top-level keys that describe the file and are not settings of a cell.
_FIXED = ("schema",)


def path_problem(dotted: str) -> str | None:
    """Return what is wrong with a dotted path of a recipe, or None.

    Examples
    --------
    >>> path_problem("encoder.train.lr")
    >>> path_problem("encoder.trian.lr")
    "unknown path 'encoder.trian.lr': 'encoder' has no 'trian'. Did you mean 'train'?"
    """
    model: type[BaseModel] | None = CellModel
    done: list[str] = []
    for key in dotted.split("."):
        if model is None:
            if any(step in _OPEN for step in done) and key:
                return None
            return f"unknown path {dotted!r}: {'.'.join(done)!r} holds a value, not keys"
        known = {k: v for k, v in keys_of(model).items() if done or k not in _FIXED}
        if key not in known:
            holder = repr(".".join(done)) if done else "a recipe"
            hint = did_you_mean(key, known) or f"It has: {', '.join(known)}"
            return f"unknown path {dotted!r}: {holder} has no {key!r}. {hint}".strip()
        done.append(key)
        model = None if get_origin(known[key]) is list else model_within(known[key])
    return None


def assignments(entries: dict[str, Node], problems: Problems) -> Assignments:
    """Return the entries of a mapping with dotted keys whose paths are known; note the others."""
    known: Assignments = []
    for dotted, node in entries.items():
        problem = path_problem(dotted)
        if problem is None:
            known.append((tuple(dotted.split(".")), node))
        else:
            problems.add(node.where, problem)
    return known


def parse_overrides(
    overrides: Sequence[str], problems: Problems
) -> tuple[Assignments, dict[str, Node]]:
    """Read the arguments of ``--set``.

    Parameters
    ----------
    overrides : sequence of str
        ``PATH=VALUE``, split at the first "="; VALUE is strict YAML.
    problems : Problems

    Returns
    -------
    assignments : list of (path, Node)
    axes : dict of str to Node
        What was set below ``grid``: dotted path -> values ("grid.seed=[0, 1]").
    """
    given: dict[str, Node] = {}
    axes: dict[str, Node] = {}
    for text in overrides:
        where = Where(f"--set {text}")
        dotted, equals, value_text = text.partition("=")
        dotted = dotted.strip()
        if not equals or not dotted:
            problems.add(where, "must be PATH=VALUE, for example --set encoder=eegnet")
        elif not value_text.strip():
            problems.add(where, f"has no value; for none write {dotted}=null")
        elif dotted in given or dotted.removeprefix("grid.") in axes:
            problems.add(where, f"{dotted!r} is set twice")
        else:
            value = parse(value_text, f"--set {text}", problems)
            if value is not None and dotted.startswith("grid."):
                axes[dotted.removeprefix("grid.")] = value
            elif value is not None:
                given[dotted] = value
    return assignments(given, problems), axes
