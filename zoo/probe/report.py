"""What the leak probe found, for people."""

from __future__ import annotations

import textwrap
from typing import Any

from zoo.probe import Finding, Probe

WIDTH = 96


def probe_text(probe: Probe) -> str:
    """Return each data set's parts, one after another, with the sentence that they come to.

    The last line is what the recipe comes to: no leak is left behind by the data sets after it.
    """
    parts = [_finding(probe, one) for one in probe.findings]
    if len(parts) > 1:
        leaking = sum(one.leaks for one in probe.findings)
        parts.append(f"{leaking} of {len(parts)} data sets leak; {probe.sentence}")
    return "\n\n".join(parts)


def _finding(probe: Probe, finding: Finding) -> str:
    report = finding.report
    cells = "" if finding.cells == ("cell",) else f" ({', '.join(finding.cells)})"
    subjects = "1 subject" if report["subjects"] == 1 else f"{report['subjects']} subjects"
    head = (
        f"{probe.recipe}{cells}: {probe.data} data, {finding.dataset}, {report['trials']} trials "
        f"of {report['classes']} classes, {report['blocks']} blocks, {subjects}; the blocks of "
        f"{report['shared_blocks']:.0%} of the test trials are in training, too"
    )
    parts = [_wrapped(head), *map(_part, report["parts"])]
    level = f"False alarms: at most {report['level']:.0%} over all parts together."
    return "\n\n".join([*parts, level, finding.sentence])


def _part(part: dict[str, Any]) -> str:
    lines = [_wrapped(f"{part['verdict'].upper()}  {part['asks']}", hang=2)]
    if part["accuracy"] is not None:
        low, high = part["ci95"]
        figures = (
            f"accuracy {part['accuracy']:.3f} (95 % {low:.3f} to {high:.3f}, n = {part['n']}), "
            f"chance {part['chance']:.3f}"
        )
        if part["name"] == "early_late":
            figures += f"; trained on the other half {part['early_late']:.3f}"
        figures += f", p = {part['p']:.2g}"
        lines.append(_wrapped(figures, hang=2, first=2))
    lines.append(_wrapped(part["means"], hang=2, first=2))
    return "\n".join(lines)


def _wrapped(text: str, *, hang: int = 0, first: int = 0) -> str:
    return textwrap.fill(
        text,
        WIDTH,
        initial_indent=" " * first,
        subsequent_indent=" " * hang,
        break_long_words=False,
    )
