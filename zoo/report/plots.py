"""The report's plots as SVG, embedded as data URIs: figures at a glance, learning curves."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from zoo.report.tables import control_title, metric_title

#: Colour and marker of each control: told apart by both (Okabe and Ito's colours).
STYLES = {
    None: ("#0072B2", "o"),
    "shuffled_eeg": ("#D55E00", "s"),
    "class_label": ("#009E73", "^"),
    "predicted_label": ("#CC79A7", "v"),
    "class_prompt": ("#E69F00", "P"),
}
OTHER = ("#555555", "D")
STYLE = {"svg.fonttype": "path", "svg.hashsalt": "zoo"}


@dataclass(frozen=True)
class Plot:
    """A picture for an ``img`` element and its text alternative."""

    uri: str
    alt: str


def at_a_glance(entries: Sequence[dict[str, Any]]) -> Plot | None:
    """Plot every figure with interval and chance level: a line a metric, a mark a control.

    `entries` are rows of ``results.json``; several cells are drawn side by side.
    """
    labels = dict.fromkeys(
        label
        for entry in entries
        for label, metric in entry["metrics"].items()
        if metric.get("value") is not None
    )
    # One axis for all: what has another scale (a distance, decibels) is in the table alone.
    labels = [
        label
        for label in labels
        if all(
            abs(end) <= 1
            for metric in (entry["metrics"].get(label) or {} for entry in entries)
            for end in [metric.get("value") or 0, *(metric.get("ci95") or ())]
        )
    ]
    if not labels:
        return None
    controls = list(dict.fromkeys(entry["control"] for entry in entries))
    fig = Figure(figsize=(8.6, 0.7 + 0.6 * len(labels)), layout="constrained")
    axes = fig.add_subplot()
    for height, label in enumerate(labels):
        scored = [e for e in entries if (e["metrics"].get(label) or {}).get("value") is not None]
        present = [c for c in controls if any(entry["control"] == c for entry in scored)]
        for entry in scored:
            apart = min(0.22, 0.8 / len(present))  # marks of one line stay clear of the next
            offset = (present.index(entry["control"]) - (len(present) - 1) / 2) * apart
            _mark(axes, entry["metrics"][label], entry["control"], height + offset)
        _mark_chance(axes, scored, label, height)
    for control in controls:
        colour, marker = STYLES.get(control, OTHER)
        axes.plot([], [], color=colour, marker=marker, ls="none", label=control_title(control))
    axes.plot([], [], color="#888888", ls=":", label="chance")
    axes.set_yticks(range(len(labels)), [metric_title(label) for label in labels])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    low = min((m["ci95"][0] for m in _metrics(entries) if m.get("ci95")), default=0)
    axes.set_xlim(min(-0.02, low), 1.02)
    axes.grid(axis="x", color="#dddddd")
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=4, frameon=False)
    bare(axes)
    return Plot(svg(fig), "Every figure with its 95 % interval; the numbers are in the table.")


#: Title -> the column by which the best epoch was chosen.
VAL_SCORES = {
    "encoder: accuracy on val": "val_accuracy",
    "encoder: reciprocal rank on val": "val_mrr",
}


def learning_curves(logs: dict[str, pd.DataFrame]) -> Plot | None:
    """Plot the training logs of one cell.

    Parameters
    ----------
    logs : dict
        Title -> log (columns step, epoch, loss, and what validation gave); the encoder's under
        "encoder", the others are the conditioner's.
    """
    encoder = logs.get("encoder")
    denoiser = {title: log for title, log in logs.items() if title != "encoder"}
    panels = []
    if encoder is not None:
        panels.append("encoder: loss")
        panels += [title for title, score in VAL_SCORES.items() if score in encoder]
    if denoiser:
        panels.append("conditioner: denoising loss")
    if not panels:
        return None
    fig = Figure(figsize=(3.2 * len(panels), 2.5), layout="constrained")
    for axes, title in zip(fig.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        axes.set_title(title, fontsize=10, loc="left")
        if title == "encoder: loss":
            _encoder_loss(axes, encoder)
        elif title in VAL_SCORES:
            _val_score(axes, encoder, VAL_SCORES[title])
        else:
            _denoising(axes, denoiser)
        axes.grid(color="#e5e5e5")
        bare(axes)
    return Plot(svg(fig), f"Learning curves: {'; '.join(panels)}.")


def _encoder_loss(axes: Axes, log: pd.DataFrame) -> None:
    log = log[log["loss"].notna()]
    axes.plot(log["epoch"], log["loss"], color="#0072B2", label="train")
    if "val_loss" in log:
        axes.plot(log["epoch"], log["val_loss"], color="#D55E00", ls="--", label="val")
        axes.legend(frameon=False)
    axes.set_xlabel("epoch")
    axes.set_ylim(bottom=0)


def _val_score(axes: Axes, log: pd.DataFrame, score: str) -> None:
    axes.plot(log["epoch"], log[score], color="#0072B2")
    best = log[score].idxmax()
    axes.plot(log["epoch"][best], log[score][best], "o", color="#0072B2", mfc="white")
    axes.annotate(
        f"best {log[score][best]:.2f}",
        (log["epoch"][best], log[score][best]),
        textcoords="offset points", xytext=(0, -14), ha="center", fontsize=9,
    )  # fmt: skip
    axes.set_xlabel("epoch")
    axes.set_ylim(0, 1.02)


def _denoising(axes: Axes, logs: dict[str, pd.DataFrame]) -> None:
    """Draw single rows faintly, a running mean on top: denoising losses are noisy by nature."""
    colours = ["#0072B2", "#009E73", *["#555555"] * len(logs)]
    for (title, log), colour, dash in zip(
        logs.items(), colours, ["-", "--", ":"] * 9, strict=False
    ):
        log = log[log["loss"].notna()]
        smooth = log["loss"].rolling(max(1, len(log) // 8), min_periods=1).mean()
        axes.plot(log["step"], log["loss"], color=colour, alpha=0.25, lw=0.8)
        axes.plot(log["step"], smooth, color=colour, ls=dash, label=title)
    axes.legend(frameon=False)
    axes.set_xlabel("step")


def _mark(axes: Axes, metric: dict[str, Any], control: str | None, height: float) -> None:
    colour, marker = STYLES.get(control, OTHER)
    if metric.get("ci95"):
        axes.plot(metric["ci95"], [height, height], color=colour, lw=2, alpha=0.6)
    axes.plot(metric["value"], height, marker=marker, color=colour, ms=6)


def _mark_chance(axes: Axes, entries: Sequence[dict[str, Any]], label: str, height: float) -> None:
    metrics = (entry["metrics"][label] for entry in entries)
    for chance in {m["chance"] for m in metrics if m.get("chance") is not None}:
        axes.plot([chance, chance], [height - 0.4, height + 0.4], color="#888888", ls=":")


def _metrics(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [metric for entry in entries for metric in entry["metrics"].values()]


def bare(axes: Axes) -> None:
    """Leave out what frames a plot."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(length=0)


def svg(fig: Figure) -> str:
    """Return a figure as the address of an ``img`` element, the same for the same figure."""
    import matplotlib as mpl

    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        fig.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    return f"data:image/svg+xml;base64,{base64.b64encode(buffer.getvalue()).decode()}"
