"""What an analysis is given and gives: the scores of a finished grid, and an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from zoo.recipe.cells import Cell
from zoo.recipe.where import matches

if TYPE_CHECKING:
    import pandas as pd

#: Parameters of an analysis with these annotations are checked against the recipe before anything
#: runs: cells by their values, a metric by its label, an axis by its dotted path.
Where: TypeAlias = Mapping[str, Any]
MetricLabel: TypeAlias = str
Axis: TypeAlias = str


class NotAnswered(Exception):
    """The grid does not hold what the question needs; the text says what is lacking."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One scored row of a grid: a metric of a cell, under a control or not, at the end or before.

    Parameters
    ----------
    cell : Cell
    metric : str
        Its label in the recipe.
    value : float or None
        None: not computed, see `reason`.
    control : str or None
        None is the real thing.
    step : int or None
        Snapshot of the conditioner's training; None is its end.
    n, unit, split, definition, ci95, chance, higher_is_better, reason
        As the metric gave them.
    read : callable
        Returns the table of trials, or None where the metric scores no trials by themselves.
    """

    cell: Cell
    metric: str
    value: float | None
    control: str | None = None
    step: int | None = None
    n: int = 0
    unit: str = "trial"
    split: str = "test"
    definition: str = ""
    ci95: tuple[float, float] | None = None
    chance: float | None = None
    higher_is_better: bool = True
    reason: str | None = None
    read: Callable[[], pd.DataFrame | None] = field(default=lambda: None, repr=False)

    def trials(self) -> pd.DataFrame | None:
        """Return the score of each trial, read from disk at each call.

        Columns ``trial_id``, ``subject``, ``image_id``, ``score`` and ``cluster`` (what is
        resampled together; where subjects and images cross, ``cluster_subject`` too). None where
        the metric scores no trials by themselves (kappa, FID).
        """
        return self.read()


@dataclass(frozen=True, kw_only=True)
class GridScores:
    """Every scored row of a finished grid.

    Parameters
    ----------
    cells : tuple of Cell
        Those of the recipe, failed ones included.
    scores : tuple of Score
    data : {"simulated", "real"}
    text_encoders : dict
        Name of the denoiser's weights -> words for their text encoder.
    of_encoder : frozenset of str
        Labels of the metrics of the EEG encoder alone, in which the denoiser takes no part.
    seed : int
        Names the draws of intervals.
    """

    cells: tuple[Cell, ...]
    scores: tuple[Score, ...]
    data: str
    text_encoders: Mapping[str, str]
    of_encoder: frozenset[str] = frozenset()
    seed: int = 0

    def matching(self, where: Where) -> tuple[Cell, ...]:
        """Return the cells that have every value of `where`.

        Raises
        ------
        NotAnswered
            There is none.
        """
        found = tuple(cell for cell in self.cells if matches(cell, where))
        if not found:
            raise NotAnswered(f"no cell of this run has {words(where)}")
        return found

    def of(
        self, cell: Cell, metric: str, *, control: str | None = None, step: int | None = None
    ) -> Score:
        """Return one row that has a value.

        Raises
        ------
        NotAnswered
            There is no such row, or its figure was not computed.
        """
        score = self._by_row.get((cell.id, metric, control), {}).get(step)
        at = "" if step is None else f" at step {step}"
        under = "" if control is None else f" under {control}"
        if score is None:
            raise NotAnswered(f"{cell.id} has no {metric}{under}{at}")
        if score.value is None:
            reason = score.reason or "not computed"
            raise NotAnswered(f"{cell.id} has no {metric}{under}{at}: {reason}")
        return score

    def steps(self, cell: Cell, metric: str, control: str | None = None) -> list[int]:
        """Return the steps at which a cell has snapshots with this metric, rising."""
        found = self._by_row.get((cell.id, metric, control), {})
        return sorted(step for step in found if step is not None)

    @cached_property
    def _by_row(self) -> dict[tuple[str, str, str | None], dict[int | None, Score]]:
        rows: dict[tuple[str, str, str | None], dict[int | None, Score]] = {}
        for score in self.scores:
            row = rows.setdefault((score.cell.id, score.metric, score.control), {})
            row[score.step] = score
        return rows

    def spoken_of(self, cells: tuple[Cell, ...], *metrics: str) -> str:
        """Return what figures of these cells speak of, "the text encoder of ... and recorded EEG".

        Of the text encoder only where something is drawn and one of the `metrics` depends on it.
        """
        eeg = f"{'simulated' if self.data == 'simulated' else 'recorded'} EEG"
        drawn = [cell for cell in cells if cell.draws]
        if not drawn or self.of_encoder.issuperset(metrics or [""]):
            return eeg
        encoders = dict.fromkeys(self._text_encoder(cell) for cell in drawn)
        return f"{' and '.join(encoders)}, and of {eeg}"

    def _text_encoder(self, cell: Cell) -> str:
        weights = cell.pipeline.params.get("weights")
        if weights is None:
            return f"what pipeline {cell.pipeline.name!r} reads"
        return self.text_encoders.get(weights, f"the text encoder of the {weights} weights")


@dataclass(frozen=True, kw_only=True)
class AnalysisResult:
    """The answer to a question about a grid.

    Parameters
    ----------
    sentence : str
        What may be said, for a reader who sees nothing else.
    value : float or None
        None: not answered, see `reason`.
    definition : str
        What was computed, on what, how its interval was made.
    metric : str
        Label of the metric it is about.
    n : int
        Units behind the value, each a `unit`.
    unit : str
    split : str
    ci95 : (low, high) or None
    rows : tuple of dict
        The figures behind it, JSON-able; each says in ``row`` what it is.
    reason : str or None
        Why there is no value.
    """

    sentence: str
    value: float | None
    definition: str
    metric: str = ""
    n: int = 0
    unit: str = "trial"
    split: str = "test"
    ci95: tuple[float, float] | None = None
    rows: tuple[dict[str, Any], ...] = ()
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON takes them."""
        found = asdict(self)
        return {
            **found,
            "ci95": None if self.ci95 is None else list(self.ci95),
            "rows": list(self.rows),
        }


class Analysis(Protocol):
    """A question; its constructor takes keyword-only, JSON-able parameters."""

    def answer(self, scores: GridScores) -> AnalysisResult:
        """Return the answer, or raise `NotAnswered` with what the grid lacks."""
        ...


def words(where: Where) -> str:
    """Return a selection in words, ``conditioner.name = linear, seed = 0``; "any values" of {}."""
    return ", ".join(f"{dotted} = {value}" for dotted, value in where.items()) or "any values"
