"""The aligned table: each metric's value and interval of each setting, seeds averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pandas as pd

from registry.errors import UserError, did_you_mean
from zoo.compare.settings import Setting
from zoo.statistics import Clusters, bootstrap


@dataclass(frozen=True)
class Figure:
    """A metric of one setting.

    Parameters
    ----------
    value : float or None
        Mean over the seeds that have a value.
    ci95 : (low, high) or None
        Of the mean over seeds: how far it would move with other trials, not with other trainings.
    n_seeds : int
    seed_sd : float or None
        Standard deviation over seeds; None for one.
    n : int
        Independent units behind the value, as the metric counts them.
    unit, split : str
    reason : str
        Why there is no value.
    definition : str
    """

    value: float | None = None
    ci95: tuple[float, float] | None = None
    n_seeds: int = 0
    seed_sd: float | None = None
    n: int = 0
    unit: str = ""
    split: str = ""
    reason: str = ""
    definition: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the fields as JSON takes them; without a value the reason only."""
        if self.value is None:
            return {"value": None, "reason": self.reason}
        fields = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {k: v for k, v in fields.items() if k != "reason"}


def chosen_metrics(settings: Sequence[Setting], asked: Sequence[str]) -> list[str]:
    """Return the metrics to compare; all of them where none is asked for.

    Raises
    ------
    UserError
        One that no setting has.
    """
    known = list(dict.fromkeys(label for setting in settings for label in setting.labels))
    for label in asked:
        if label not in known:
            raise UserError(
                f"--metric {label}: none of these runs has it. {did_you_mean(label, known)}"
                f"They have: {', '.join(known) or 'none'}"
            )
    return list(dict.fromkeys(asked)) or known


def figures(settings: Sequence[Setting], label: str) -> dict[str, Figure | None]:
    """Return setting's name -> a metric's figure; None where the recipe did not ask for it."""
    return {
        setting.name: _figure(setting, label) if label in setting.labels else None
        for setting in settings
    }


def _figure(setting: Setting, label: str) -> Figure:
    metrics = setting.metrics(label)
    if not metrics:
        reasons = [cell["metrics"].get(label, {}).get("reason") for cell in setting.cells]
        return Figure(reason=next(filter(None, reasons), "not computed"))
    first = metrics[0]
    about = {"n": first.get("n", 0), "unit": first.get("unit", ""), "split": first.get("split", "")}
    about["definition"] = first.get("definition", "")
    if len(metrics) == 1:
        ci95 = first.get("ci95")
        return Figure(first["value"], tuple(ci95) if ci95 else None, n_seeds=1, **about)
    values = [metric["value"] for metric in metrics]
    return Figure(
        value=fmean(values),
        ci95=_interval(setting.scores(label), values),
        n_seeds=len(values),
        seed_sd=stdev(values),
        **about,
    )


def _interval(scores: pd.DataFrame | None, values: list[float]) -> tuple[float, float] | None:
    """Return the interval of the mean over seeds; None where the value is no mean of the scores."""
    if scores is None or not np.isfinite(scores["score"]).all():
        return None
    means = scores.groupby("seed", sort=False)["score"].mean()
    if len(means) != len(values) or not np.allclose(means, values):
        return None
    trials = scores.groupby("trial_id").agg(
        {"score": "mean"} | {name: "first" for name in scores if str(name).startswith("cluster")}
    )
    return bootstrap(trials["score"].to_numpy(), seed=0, clusters=_clusters(trials))


def _clusters(trials: pd.DataFrame) -> Clusters:
    """Return what is resampled together, as `zoo.statistics.Units.columns` wrote it."""
    image = trials["cluster"].to_numpy()
    if "cluster_subject" not in trials:
        return image
    return trials["cluster_subject"].to_numpy(), image
