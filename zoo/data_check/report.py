"""What `zoo check data` found: facts for each subject, files, problems; as text and as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Kinds of file.
RECORDING, SPLIT = "recording", "split"


@dataclass
class Subject:
    """What is there of one subject.

    Attributes
    ----------
    recordings, trials : int
        Files that load; trials that the tables name.
    classes, pictures : set of str
        Labels, and pictures that trials name or are paired with.
    channels : set of int
        Numbers of EEG channels; more than one where recordings differ.
    sfreq : set of float
        Sampling rates, Hz.
    """

    recordings: int = 0
    trials: int = 0
    classes: set[str] = field(default_factory=set)
    pictures: set[str] = field(default_factory=set)
    channels: set[int] = field(default_factory=set)
    sfreq: set[float] = field(default_factory=set)


@dataclass
class Report:
    """Everything found in a folder; filled by the survey of its format.

    Attributes
    ----------
    root : Path
    format : str
    subjects : dict
        Name -> `Subject`.
    files : list of dict
        ``file``, ``kind``, ``state`` ("loads", "fails", "absent") and ``what`` was found in it.
    problems, notes : list of str
    needs : tuple of str
        Kinds of file of which one has to load.
    """

    root: Path
    format: str
    subjects: dict[str, Subject] = field(default_factory=dict)
    files: list[dict[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    needs: tuple[str, ...] = (RECORDING,)

    def subject(self, name: str) -> Subject:
        """Return what is known of a subject, to add to."""
        return self.subjects.setdefault(name, Subject())

    def file(self, name: str, kind: str, state: str, what: str = "") -> None:
        """Add a file."""
        self.files.append({"file": name, "kind": kind, "state": state, "what": what})

    def problem(self, what: object) -> None:
        """Add something that is wrong, once."""
        if str(what) not in self.problems:
            self.problems.append(str(what))

    @property
    def usable(self) -> bool:
        """True if of every kind needed one file loads."""
        loads = {one["kind"] for one in self.files if one["state"] == "loads"}
        return loads.issuperset(self.needs)

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dictionary."""
        return {
            "root": str(self.root),
            "format": self.format,
            "usable": self.usable,
            "subjects": [
                {
                    "subject": name,
                    "recordings": one.recordings,
                    "trials": one.trials,
                    "classes": len(one.classes),
                    "pictures": len(one.pictures),
                    "channels": sorted(one.channels),
                    "sfreq": sorted(one.sfreq),
                }
                for name, one in self.subjects.items()
            ],
            "files": self.files,
            "problems": self.problems,
            "notes": self.notes,
        }


def report_text(report: Report) -> str:
    """Return the report for people: verdict, subjects, files of a known name, what is wrong."""
    facts = report.to_json()
    verdict = "can be used" if report.usable else "cannot be used"
    if report.usable and report.problems:
        verdict += " once what is wrong below is mended or left out"
    blocks = [f"{report.root}: data set {report.format!r}, {verdict}"]
    if facts["subjects"]:
        head = ["subject", "recordings", "trials", "classes", "pictures", "channels", "Hz"]
        rows = [
            [
                *(str(one[key]) for key in head[:5]),
                "/".join(map(str, one["channels"])) or "-",
                "/".join(f"{rate:g}" for rate in one["sfreq"]) or "-",
            ]
            for one in facts["subjects"]
        ]
        blocks.append("\n".join(_columns([head, *rows])))
    listed = [one for one in report.files if one["what"] or one["state"] != "loads"]
    if listed:
        rows = [[one["file"], one["state"], one["what"]] for one in listed]
        blocks.append("files\n" + "\n".join(f"  {line}" for line in _columns(rows)))
    for title, lines in (("notes", report.notes), ("wrong", report.problems)):
        if lines:
            blocks.append(f"{title}\n" + "\n".join(f"  - {line}" for line in lines))
    if not report.problems:
        blocks.append("nothing is wrong")
    return "\n\n".join(blocks)


def _columns(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
