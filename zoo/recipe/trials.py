"""The `trials` of an arm: what was tried, how it scored, and that the arm is given the best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from zoo.recipe.errors import Problems
from zoo.recipe.layers import layer, leaves
from zoo.recipe.nodes import Node, plain
from zoo.recipe.overrides import Assignments, Path
from zoo.recipe.schema import shown
from zoo.recipe.where import same

#: The key of a trial's score; all others say what was tried.
SCORE = "val"
_EXAMPLE = f"{{lr: 1e-3, {SCORE}: 0.61}}"


class Log(NamedTuple):
    """How many settings were tried, and the paths of what the arm sets that they varied."""

    n_trials: int
    tried: frozenset[Path]


@dataclass(frozen=True)
class _Trial:
    """A setting that was tried, and its score on validation (higher is better)."""

    node: Node
    tried: dict[str, Any]
    score: float


def check_trials(written: Node | None, given: Assignments, problems: Problems) -> Log | None:
    """Return what was tried; note what is wrong with the log.

    Parameters
    ----------
    written : Node or None
        The list under ``trials``.
    given : list of (path, Node)
        What the arm sets. A value is looked for in each trial under the name with which its path
        ends. A trial of one value may call it otherwise: it is that of the learning rates, or
        where the arm sets none, of all that it sets. What no trial names is fixed, and not looked
        for. Several may share the best score, and any of these may be chosen.
    problems : Problems

    Returns
    -------
    Log or None
        None where it is no list.
    """
    if written is None or written.value == []:
        return Log(0, frozenset())
    if not isinstance(written.value, list):
        problems.add(written.where, "must be a list, one entry for each setting that was tried")
        return None
    trials = [trial for node in written.value if (trial := _trial(node, problems)) is not None]
    for index, trial in enumerate(trials):
        if any(same(trial.tried, other.tried) for other in trials[:index]):
            problems.add(trial.node.where, f"{_words(trial.tried)} is listed twice")
    here = layer(given, written.where)
    is_set = {path: plain(node) for path in leaves(here) if (node := here.at(path)) is not None}
    values = [_at_paths(trial, list(is_set)) for trial in trials]
    looked_at = [path for path in is_set if any(path in one for one in values)]
    wanted = {path: is_set[path] for path in looked_at or is_set}
    if trials and len(trials) == len(written.value):
        _check_chosen(trials, values, wanted, given, problems)
    return Log(len(written.value), frozenset(wanted))


def _trial(node: Node, problems: Problems) -> _Trial | None:
    written = plain(node)
    if not isinstance(written, dict):
        got = f"got {shown(written)}"
        problems.add(node.where, f"must be what was tried and its score, {_EXAMPLE}, {got}")
        return None
    score = written.pop(SCORE, None)
    if not isinstance(score, int | float) or isinstance(score, bool):
        got = "" if score is None else f", got {shown(score)}"
        problems.add(
            node.locate((SCORE,)),
            f"needs '{SCORE}', its score on validation: a number, higher is better{got}",
        )
        return None
    if not written:
        problems.add(node.where, f"does not say what was tried, as {_EXAMPLE} does")
        return None
    return _Trial(node, written, float(score))


def _at_paths(trial: _Trial, paths: Sequence[Path]) -> dict[Path, Any]:
    """Return what a trial had at some of the paths that its arm sets."""
    named = {
        path: value for path in paths for name, value in _values(trial.tried) if _ends(name, path)
    }
    if named or len(trial.tried) > 1:
        return named
    (value,) = trial.tried.values()
    return dict.fromkeys([path for path in paths if "lr" in path] or paths, value)


def _check_chosen(
    trials: Sequence[_Trial],
    values: Sequence[dict[Path, Any]],
    wanted: dict[Path, Any],
    given: Assignments,
    problems: Problems,
) -> None:
    """Note that what the arm sets was not tried, or that something tried was better."""
    chosen = [
        trial
        for trial, found in zip(trials, values, strict=True)
        if all(path in found and same(found[path], value) for path, value in wanted.items())
    ]
    set_here = ", ".join(f"{path[-1]} {shown(value)}" for path, value in wanted.items())
    place = given[0][1].where
    if not chosen:
        tried = "; ".join(_words(trial.tried) for trial in trials)
        problems.add(place, f"no trial of this arm has {set_here}; they have: {tried}")
        return
    best, mine = (max(some, key=lambda trial: trial.score) for some in (trials, chosen))
    if mine.score < best.score:
        problems.add(
            place,
            f"{set_here} reached {mine.score:g} in its trial and {_words(best.tried)} reached "
            f"{best.score:g}: set what was best",
        )


def _ends(name: Path, path: Path) -> bool:
    """Say whether a trial's name is the last of a path, with what stands before it along the way.

    Examples
    --------
    ``lr.projection`` is ``conditioner.train.lr.projection``, and so is ``projection``; ``lr`` is
    not. ``encoder.lr`` is ``encoder.train.lr``, not ``conditioner.train.lr``.
    """
    steps = iter(path)
    return name[-1] == path[-1] and all(key in steps for key in name)


def _values(tried: dict[str, Any], inside: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield each value of a mapping and of mappings inside it, which are values, too, by name."""
    for key, value in tried.items():
        name = (*inside, *key.split("."))
        yield name, value
        if isinstance(value, dict):
            yield from _values(value, name)


def _words(tried: dict[str, Any]) -> str:
    return ", ".join(f"{key} {shown(value)}" for key, value in tried.items())
