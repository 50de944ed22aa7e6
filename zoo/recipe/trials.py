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

    @property
    def values(self) -> list[tuple[Path, Any]]:
        """Return what was tried as names, outermost first, and values."""
        return list(_values(self.tried))


def check_trials(written: Node | None, given: Assignments, problems: Problems) -> Log | None:
    """Return what was tried; note what is wrong with the log.

    Parameters
    ----------
    written : Node or None
        The list under ``trials``.
    given : list of (path, Node)
        What the arm sets. A value is looked for in each trial under the name with which its path
        ends; in trials of one value under any name. Several may share the best score, and any of
        these may be chosen. What no trial names is fixed, and not looked for.
    problems : Problems

    Returns
    -------
    Log or None
        None where it is no list.
    """
    if written is None:
        return Log(0, frozenset())
    if not isinstance(written.value, list):
        problems.add(written.where, "must be a list, one entry for each setting that was tried")
        return None
    trials = [trial for node in written.value if (trial := _trial(node, problems)) is not None]
    for index, trial in enumerate(trials):
        if any(same(trial.tried, other.tried) for other in trials[:index]):
            problems.add(trial.node.where, f"{_words(trial)} is listed twice")
    here = layer(given, written.where)
    wanted = {
        path: plain(node)
        for path in _looked_at(list(leaves(here)), trials)
        if (node := here.at(path)) is not None
    }
    if trials and len(trials) == len(written.value):
        _check_chosen(trials, wanted, given, problems)
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


def _looked_at(paths: Sequence[Path], trials: Sequence[_Trial]) -> list[Path]:
    """Return what the trials are about: what they name, and under free names the learning rates.

    Where an arm sets no rate, either, free names are about all that it sets.
    """
    names = [name for trial in trials for name, _ in trial.values]
    named = [path for path in paths if any(_ends(name, path) for name in names)]
    if all(any(_ends(name, path) for path in paths) for name in names):
        return named
    rates = [path for path in paths if "lr" in path and path not in named]
    return [*named, *rates] or list(paths)


def _check_chosen(
    trials: list[_Trial], wanted: dict[Path, Any], given: Assignments, problems: Problems
) -> None:
    """Note that what the arm sets was not tried, or that something tried was better."""
    chosen = [t for t in trials if all(_has(t, path, value) for path, value in wanted.items())]
    values = ", ".join(map(shown, wanted.values()))
    place = given[0][1].where
    if not chosen:
        tried = "; ".join(map(_words, trials))
        problems.add(place, f"no trial of this arm has {values}; they have: {tried}")
        return
    best, mine = (max(some, key=lambda trial: trial.score) for some in (trials, chosen))
    if mine.score < best.score:
        problems.add(
            place,
            f"{values} reached {mine.score:g} in its trial and {_words(best)} reached "
            f"{best.score:g}: set what was best",
        )


def _has(trial: _Trial, path: Path, wanted: Any) -> bool:
    named = [value for name, value in trial.values if _ends(name, path)]
    if not named and len(trial.values) == 1:
        named = [trial.values[0][1]]
    return any(same(value, wanted) for value in named)


def _ends(name: Path, path: Path) -> bool:
    """Say whether a trial's name is the last of a path, with what stands before it along the way.

    Examples
    --------
    ``lr.projection`` is ``conditioner.train.lr.projection``, and so is ``projection``; ``lr`` is
    not. ``encoder.lr`` is ``encoder.train.lr``, not ``conditioner.train.lr``.
    """
    steps = iter(path)
    return name[-1] == path[-1] and all(key in steps for key in name)


def _values(value: Any, name: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the values of a mapping and of mappings inside it, each with its name."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _values(inner, (*name, *str(key).split(".")))
    else:
        yield name, value


def _words(trial: _Trial) -> str:
    return ", ".join(f"{key} {shown(value)}" for key, value in trial.tried.items())
