"""Dotted paths: which ones a recipe has, and the values that ``--set`` gives them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias, get_origin

from pydantic import BaseModel

from registry.errors import did_you_mean
from zoo.recipe.errors import Problems, Where
from zoo.recipe.nodes import Node
from zoo.recipe.schema import FILE_KEYS, CellModel, keys_of, model_within
from zoo.recipe.yaml_strict import parse

Path: TypeAlias = tuple[str, ...]
Assignments: TypeAlias = list[tuple[Path, Node]]

#: Where a path may go on freely: the component's signature, not the schema, knows the rest.
_OPEN = ("params",)
#: Top-level keys that describe the file and are not settings of a cell.
_FIXED = ("schema",)
_OF_THE_FILE = (*FILE_KEYS, *_FIXED)


def path_problem(dotted: str, beside: Sequence[str] = ()) -> str | None:
    """Return what is wrong with a dotted path of a recipe, or None.

    `beside` are keys that may stand there instead of a path, for the suggestion.

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
        if key not in known and not done and key in _OF_THE_FILE:
            return f"unknown path {dotted!r}: {key!r} is a part of the file, no setting of a cell"
        if key not in known:
            holder = repr(".".join(done)) if done else "a recipe" if not beside else "it"
            others = [*known, *(() if done else beside)]
            hint = did_you_mean(key, others) or f"It has: {', '.join(others)}"
            return f"unknown path {dotted!r}: {holder} has no {key!r}. {hint}".strip()
        done.append(key)
        model = None if get_origin(known[key]) is list else model_within(known[key])
    return None


def assignments(
    entries: dict[str, Node], problems: Problems, beside: Sequence[str] = ()
) -> Assignments:
    """Return the entries of a mapping with dotted keys whose paths are known; note the others."""
    known: Assignments = []
    for dotted, node in entries.items():
        problem = path_problem(dotted, beside)
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
        elif (whole := _not_to_be_set(dotted)) is not None:
            problems.add(where, whole)
        elif dotted in given or dotted.removeprefix("grid.") in axes:
            problems.add(where, f"{dotted!r} is set twice")
        else:
            value = parse(value_text, f"--set {text}", problems)
            if value is not None and dotted.startswith("grid."):
                axes[dotted.removeprefix("grid.")] = value
            elif value is not None:
                given[dotted] = value
    return assignments(given, problems), axes


def _not_to_be_set(dotted: str) -> str | None:
    """Return why ``--set`` cannot give a part of the file, or None."""
    first, _, rest = dotted.partition(".")
    if first == "grid":
        return None if rest else "'grid' is set axis by axis, for example --set grid.seed=[0,1]"
    if first in _OF_THE_FILE:
        return f"{first!r} cannot be set on the command line; write it in the file"
    return None
