"""The report of a run: one HTML file a person can read without the zoo."""

from __future__ import annotations

from pathlib import Path


def write_report(run_folder: Path | str) -> Path:
    """Write ``report.html`` into a run folder, from what the folder holds; return its path.

    Raises
    ------
    UserError
        The folder holds no ``results.json``.
    """
    from zoo.report.html import render

    folder = Path(run_folder)
    path = folder / "report.html"
    path.write_text(render(folder), encoding="utf-8")
    return path
