"""The `trials` of an arm: what was tried, how it scored, and that the arm is given the best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from zoo.recipe.errors import Problems
from zoo.recipe.nodes import Node, plain
from zoo.recipe.overrides import Assignments
from zoo.recipe.schema import shown
from zoo.recipe.where import same

#: The key of a trial's score; all others say what was tried.
SCORE = "val"
_EXAMPLE = f"{{lr: 1e-3, {SCORE}: 0.61}}"


@dataclass(frozen=True)
class _Trial:
    """A setting that was tried, and its score on validation (higher is better)."""

    node: Node
    tried: dict[str, Any]
    score: float


def check_trials(written: Node | None, given: Assignments, problems: Problems) -> int | None:
    """Return how many settings were tried; note what is wrong with the log.

    Parameters
    ----------
    written : Node or None
        The list under ``trials``.
    given : list of (path, Node)
        What the arm sets. Its values are looked for among those of the trials, whatever a trial
        calls them; several may share the best score, and any of these may be chosen.
    problems : Problems

    Returns
    -------
    int or None
        None where it is no list.
    """
    if written is None:
        return 0
    if not isinstance(written.value, list):
        problems.add(written.where, "must be a list, one entry for each setting that was tried")
        return None
    trials = [trial for node in written.value if (trial := _trial(node, problems)) is not None]
    for index, trial in enumerate(trials):
        if any(same(trial.tried, other.tried) for other in trials[:index]):
            problems.add(trial.node.where, f"{_words(trial)} is listed twice")
    if trials and len(trials) == len(written.value):
        _check_chosen(trials, given, problems)
    return len(written.value)


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


def _check_chosen(trials: list[_Trial], given: Assignments, problems: Problems) -> None:
    """Note that what the arm sets was not tried, or that something tried was better."""
    wanted = [value for _, node in given for value in _values(plain(node))]
    chosen = [trial for trial in trials if _has_all(trial, wanted)]
    values = ", ".join(map(shown, wanted))
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


def _has_all(trial: _Trial, wanted: list[Any]) -> bool:
    tried = list(_values(trial.tried))
    return all(any(same(one, value) for one in tried) for value in wanted)


def _values(value: Any) -> Iterator[Any]:
    """Yield the values of a mapping, those of mappings inside it included; of others itself."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from _values(inner)
    else:
        yield value


def _words(trial: _Trial) -> str:
    return ", ".join(f"{key} {shown(value)}" for key, value in trial.tried.items())
