"""The report's pictures: what was seen beside what was drawn, trial by trial."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pandas as pd
from PIL import Image

from zoo.report.tables import control_title

#: Trials shown at once, evenly over classes; the others are behind a fold.
SHOWN = 24
PER_LINE = 12
#: Trials behind the fold at most; the gallery folder holds every picture.
LISTED = 600
#: Side in pixels of the pictures embedded in the page.
THUMBNAIL = 96


@dataclass(frozen=True)
class Picture:
    """One picture of the page: where it lies, what it is, what is written below it."""

    href: str
    src: str
    alt: str
    note: str = ""


@dataclass(frozen=True)
class Column:
    """One trial: its name, the class seen, and a picture for each line of the strip."""

    trial_id: str
    seen: str
    pictures: tuple[Picture | None, ...]


@dataclass(frozen=True)
class Strip:
    """The pictures of one cell.

    Parameters
    ----------
    lines : tuple of str
        What each line shows: "seen", "drawn from real EEG" ...
    blocks : list of list of Column
        The trials shown, embedded, in blocks of twelve.
    everything : list of Column
        The test trials, linked.
    n : int
        Test trials in all.
    per_trial : int
        Pictures drawn for each trial; the first is shown.
    """

    lines: tuple[str, ...]
    blocks: list[list[Column]]
    everything: list[Column]
    n: int
    per_trial: int


def strip(run_folder: Path, gallery: str, controls: list[str | None]) -> Strip | None:
    """Return the pictures of the cell whose gallery is `gallery`; None where there are none.

    Parameters
    ----------
    run_folder : Path
    gallery : str
        "gallery/<cell>" below the run folder.
    controls : list
        In the order of the lines; those without pictures are left out.
    """
    folder = run_folder / gallery
    if not (folder / "index.csv").is_file():
        return None
    index = pd.read_csv(folder / "index.csv", dtype=str, keep_default_na=False)
    if not len(index):
        return None
    drawn = {control: control or "real" for control in controls}
    drawn = {c: name for c, name in drawn.items() if (folder / name).is_dir()}
    if not (drawn or (folder / "seen").is_dir()):
        return None
    page = _Page(run_folder, gallery, index, drawn)
    chosen = [index.iloc[i] for i in spread(index["class"].to_numpy())]
    columns = [page.column(row, embedded=True) for row in chosen]
    return Strip(
        lines=("seen", *(f"drawn: {control_title(control)}" for control in drawn)),
        blocks=[columns[i : i + PER_LINE] for i in range(0, len(columns), PER_LINE)],
        everything=[page.column(row, embedded=False) for _, row in index[:LISTED].iterrows()],
        n=len(index),
        per_trial=len(list((folder / "real").glob(f"{_literal(index['trial_id'][0])}_*.png"))),
    )


def spread(classes: np.ndarray, shown: int = SHOWN) -> list[int]:
    """Return rows to show: as many of each class, evenly spaced, whatever came out of them."""
    names = sorted(set(classes))
    counts = {name: shown // len(names) + (k < shown % len(names)) for k, name in enumerate(names)}
    rows: list[int] = []
    for name in names:
        own = np.flatnonzero(classes == name)
        count = min(counts[name], len(own))
        rows += (
            own[np.linspace(0, len(own) - 1, count).round().astype(int)].tolist() if count else []
        )
    return rows


class _Page:
    """Makes the columns of one cell's strip."""

    def __init__(
        self, run_folder: Path, gallery: str, index: pd.DataFrame, drawn: dict[str | None, str]
    ) -> None:
        self.run_folder, self.gallery, self.drawn = run_folder, gallery, drawn
        self.class_of = dict(zip(index["trial_id"], index["class"], strict=True))

    def column(self, row: Any, *, embedded: bool) -> Column:
        trial, seen = row["trial_id"], row["class"]
        pictures = [self.picture(f"seen/{trial}.png", f"seen: {seen}", "", embedded)]
        for control, name in self.drawn.items():
            note = self.note(control, row)
            alt = f"{control_title(control)}, {seen} was seen"
            pictures.append(self.picture(f"{name}/{trial}_0.png", alt, note, embedded))
        return Column(trial, seen, tuple(pictures))

    def note(self, control: str | None, row: Any) -> str:
        """Say what the picture was drawn from, where it is not simply the class seen."""
        if control is None:
            decoded = row.get("decoded", "")
            return (
                f"{'✓' if decoded == row['class'] else '✗'} decoded: {decoded}" if decoded else ""
            )
        source = self.class_of.get(row.get(f"source_{control}", ""), "")
        own = row.get(f"source_{control}") == row["trial_id"]
        return f"EEG of: {source}" if source and not own else ""

    def picture(self, name: str, alt: str, note: str, embedded: bool) -> Picture | None:
        path = self.run_folder / self.gallery / name
        if not path.is_file():
            return None
        href = quote(f"{self.gallery}/{name}")
        return Picture(href, _thumbnail(path) if embedded else href, alt, note)


def _thumbnail(path: Path) -> str:
    with Image.open(path) as image:
        small = image.convert("RGB")
        small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=92, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _literal(name: str) -> str:
    """Return `name` for use in a glob pattern."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in name)
