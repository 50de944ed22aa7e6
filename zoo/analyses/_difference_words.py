"""The sentence of a difference: what was found, on what, and what may not be concluded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from zoo.analyses._crossed import Interval
from zoo.analyses._words import joined
from zoo.statistics import MIN_CLUSTERS


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What was asked, in words.

    Parameters
    ----------
    a, b : str
        The arms.
    when, than : str
        Where the difference is taken, and where from it is taken off; both empty of a plain one.
    ask : str
        The question.
    yes : {"a", "b"} or None
    margin : float or None
    """

    a: str
    b: str
    when: str = ""
    than: str = ""
    ask: str = ""
    yes: str | None = None
    margin: float | None = None


@dataclass(frozen=True, kw_only=True)
class Found:
    """What came out.

    Parameters
    ----------
    value : float
    parts : tuple of float
        a minus b: where `when` holds, where `than` does; of a plain difference the value alone.
    interval : Interval
    outcome : str
        "a", "b", "same" (within the margin) or "not told".
    tested : dict
        The test over seeds: ``p``, ``smallest_p``, ``test``.
    alike : bool
        The arms have the same scores, trial by trial.
    score : str
        What was scored, and when.
    tested_on : str
        "170 validation trials".
    n_seeds : int
    """

    value: float
    parts: tuple[float, ...]
    interval: Interval
    outcome: str
    tested: dict[str, Any]
    alike: bool
    score: str
    tested_on: str
    n_seeds: int


def outcome_of(
    value: float, interval: Interval, margin: float | None, *, higher_is_better: bool
) -> str:
    """Return "a" or "b" (who is ahead), "same" (within the margin) or "not told"."""
    if interval.excludes_zero:
        return "a" if (value > 0) == higher_is_better else "b"
    return "same" if _within(interval, margin) else "not told"


def sentence(asked: Asked, found: Found, notes: list[str], spoken_of: str) -> str:
    """Return question, answer, figures, clauses (`notes`) and what it may be said of."""
    core = _interaction(asked, found) if asked.when else _difference(asked, found)
    said = "".join([core, _missed(found), *notes, _few_seeds(found)])
    said += f"; this speaks of {spoken_of}."
    return joined(asked.ask, _word(asked, found.outcome), said)


def _difference(asked: Asked, found: Found) -> str:
    a, b, figures = asked.a, asked.b, _figures(found)
    if found.outcome in ("a", "b"):
        ahead, behind = (a, b) if found.outcome == "a" else (b, a)
        by = _by(asked, found)
        return f"{ahead} is better than {behind}{by}: a difference ({a} minus {b}) of {figures}"
    if found.outcome == "same":
        return f"no difference larger than {asked.margin:g} between {a} and {b}: {figures}"
    if found.alike:
        return f"{a} and {b} have the very same scores, trial by trial: {figures}"
    return f"no difference between {a} and {b} is supported: {figures}"


def _interaction(asked: Asked, found: Found) -> str:
    lead = f"{asked.a} minus {asked.b}"
    when, than = (
        f"{name} ({part:+.3f})"
        for name, part in zip((asked.when, asked.than), found.parts, strict=True)
    )
    figures = f"a difference of differences of {_figures(found)}"
    if found.outcome in ("a", "b"):
        more = "larger" if found.value > 0 else "smaller"
        return f"{lead} is {more} {when} than {than}{_by(asked, found)}: {figures}"
    if found.outcome == "same":
        return f"{lead} is the same to within {asked.margin:g} {when} and {than}: {figures}"
    return f"that {lead} is another {when} than {than} is not supported: {figures}"


def _figures(found: Found) -> str:
    ci95, how = found.interval
    ends = f"95 % interval {ci95[0]:+.3f} to {ci95[1]:+.3f}, " if ci95 else ""
    p = (
        ""
        if found.tested["p"] is None
        else f"; {found.tested['test']}: p = {found.tested['p']:.2g}"
    )
    return f"{found.value:+.3f} in {found.score} over {found.tested_on} ({ends}{how}{p})"


def _by(asked: Asked, found: Found) -> str:
    return f", by less than {asked.margin:g}" if _within(found.interval, asked.margin) else ""


def _within(interval: Interval, margin: float | None) -> bool:
    return (
        margin is not None and interval.ci95 is not None and max(map(abs, interval.ci95)) <= margin
    )


def _missed(found: Found) -> str:
    if found.outcome != "not told" or found.alike or found.interval.ci95 is None:
        return ""
    low, high = found.interval.ci95
    return f"; a true one of {(high - low) / 2:.3f} would be missed half of the time"


def _few_seeds(found: Found) -> str:
    """Return what a verdict from the fewest seeds that are resampled lacks."""
    if found.outcome == "not told" or found.n_seeds != MIN_CLUSTERS:
        return ""
    return (
        f"; over {found.n_seeds} seeds the interval errs a little more often than 1 in 20, and no "
        f"test can confirm it (smallest p: {found.tested['smallest_p']:.2g})"
    )


def _word(asked: Asked, outcome: str) -> str:
    """Return the one word that answers the question."""
    if outcome == "not told":
        return "Not told"
    return "" if asked.yes is None else "Yes" if outcome == asked.yes else "No"
