"""A comparison of runs as text: what A and B are, where they differ, figures, sentences."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo.compare.figures import Figure
from zoo.compare.paired import Difference
from zoo.compare.recipes import Change
from zoo.compare.result import RunComparison, leakage_of
from zoo.compare.settings import Setting
from zoo.report.tables import coords_title, of_units, value_text

#: Of more comparisons, only those that support a difference are put into sentences.
SAID = 4
#: Values of recipes are cut here; --json has them whole.
WIDTH = 44


def comparison_text(found: RunComparison) -> str:
    """Return what `zoo compare` prints."""
    parts = [_legend(found.settings)]
    parts += _changes("Recipes differ in", found.recipes, found.settings)
    if not found.recipes:
        parts.append("The recipes are the same.")
    parts += _changes("What no recipe says differs in", found.beyond, found.settings)
    parts.append(columns(_figures(found)))
    if any(len(setting.seeds) > 1 for setting in found.settings):
        parts.append("Of several seeds: mean, interval over trials, standard deviation over seeds.")
    if found.differences:
        parts.append(_differences(found.differences))
    parts.append("\n".join(f"{note[0].upper()}{note[1:]}." for note in found.notes))
    if found.differences:
        parts.append(_sentences(found.differences))
    return "\n\n".join(filter(None, parts))


def columns(rows: Sequence[tuple[str, ...]]) -> str:
    """Return rows as text, all columns but the last aligned."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _legend(settings: Sequence[Setting]) -> str:
    """Return a line for each letter: run folder, place in the grid, seeds, what it stands on."""
    rows = []
    for setting in settings:
        seeds = ", ".join(map(str, setting.seeds))
        stands = [f"seed{'s' if len(setting.seeds) > 1 else ''} {seeds}"]
        stands += [f"{setting.results[k]} {k}" for k in ("data", "weights") if k in setting.results]
        if leakage_of(setting) in ("contested", "leaking"):
            stands.append(f"test {leakage_of(setting)}")
        place = [coords_title(setting.coords)] if any(s.coords for s in settings) else []
        rows.append((setting.name, _short(setting.folder), *place, "; ".join(stands)))
    return columns(rows)


def _short(folder: Path) -> str:
    """Return a path from here where that is shorter."""
    return min(str(folder), os.path.relpath(folder), key=len)


def _changes(title: str, changes: Sequence[Change], settings: Sequence[Setting]) -> list[str]:
    if not changes:
        return []
    names = [setting.name for setting in settings]
    rows = [("", *names)]
    for change in changes:
        values = [_value(change.values[n]) if n in change.values else "-" for n in names]
        rows.append((f"  {change.path}", *values))
    return [f"{title}\n{columns(rows)}"]


def _value(value: Any) -> str:
    text = "null" if value is None else value_text(value)
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"


def _figures(found: RunComparison) -> list[tuple[str, ...]]:
    names = [setting.name for setting in found.settings]
    rows = [("metric", *names, "over")]
    for label, figures in found.figures.items():
        over = dict.fromkeys(
            of_units(figure.n, f"{figure.split} {figure.unit}")
            for figure in figures.values()
            if figure is not None and figure.value is not None
        )
        rows.append((label, *(_figure(figures[name]) for name in names), " / ".join(over)))
    return rows


def _figure(figure: Figure | None) -> str:
    if figure is None:
        return "-"
    if figure.value is None:
        return "not computed"
    text = f"{figure.value:.3f} {_interval(figure.ci95, '.3f')}"
    return text if figure.seed_sd is None else f"{text} SD {figure.seed_sd:.3f}"


def _interval(ends: tuple[float, float] | None, form: str) -> str:
    return f"[{ends[0]:{form}}, {ends[1]:{form}}]" if ends else "no interval"


def _differences(differences: Sequence[Difference]) -> str:
    rows = [("metric", "", "difference", "95 %", "p", "p (Holm)", "over")]
    for difference in differences:
        one = difference.comparison
        rows.append(
            (
                difference.metric,
                " - ".join(one.names),
                f"{one.value:+.3f}",
                _interval(one.ci95, "+.3f"),
                "no test" if one.p is None else f"{one.p:.2g}",
                "" if one.p_holm is None else f"{one.p_holm:.2g}",
                of_units(one.n_units, one.unit),
            )
        )
    text = f"Differences on the same trials\n{columns(rows)}"
    if any(difference.comparison.p is None for difference in differences):
        text += (
            f"\nno test: over so few units none can reach 0.05 after Holm over "
            f"{len(differences)} comparisons; --metric NAME compares less at a time."
        )
    return text


def _sentences(differences: Sequence[Difference]) -> str:
    said = list(differences)
    if len(differences) > SAID:
        said = [difference for difference in differences if difference.comparison.supported]
    lines = [f"{d.metric}: {d.comparison.sentence()}" for d in said]
    if left := len(differences) - len(said):
        rest = "other difference" if said else "difference"
        lines.append(f"No {rest} is supported, of {len(differences)} comparisons.")
        assert left
    return "\n".join(lines)
