"""What the store holds and which run came last, for ``zoo status``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo.engine.store import Store, size_of


def status(store: Store, out: Path = Path("runs")) -> dict[str, Any]:
    """Return the store's folder, counts and bytes by stage, unfinished work, the latest run.

    Parameters
    ----------
    store : Store
    out : Path
        The folder of run folders.

    Returns
    -------
    dict
        JSON-able: ``store``, ``stages`` (stage -> entries, bytes), ``entries``, ``bytes``,
        ``unfinished`` (stage runs with checkpoints), ``latest`` (path or None).
    """
    stages: dict[str, dict[str, int]] = {}
    for entry in store.entries():
        counts = stages.setdefault(entry.stage, {"entries": 0, "bytes": 0})
        counts["entries"] += 1
        counts["bytes"] += entry.size
    work = store.root / "work"
    unfinished = sorted(p.name for p in work.iterdir() if size_of(p)) if work.is_dir() else []
    latest = out / "latest"
    return {
        "store": str(store.root),
        "stages": stages,
        "entries": sum(stage["entries"] for stage in stages.values()),
        "bytes": sum(stage["bytes"] for stage in stages.values()),
        "unfinished": unfinished,
        "latest": str(latest.resolve()) if latest.exists() else None,
    }


def status_text(facts: Mapping[str, Any]) -> str:
    """Return what `status` found as lines to read."""
    lines = [f"store {facts['store']}"]
    for stage, counts in facts["stages"].items():
        lines.append(f"  {stage:<10} {counts['entries']:>5}  {_human(counts['bytes']):>10}")
    lines.append(f"  {'together':<10} {facts['entries']:>5}  {_human(facts['bytes']):>10}")
    lines += [f"  unfinished: {key}" for key in facts["unfinished"]]
    lines.append(f"latest run: {facts['latest'] or 'none here'}")
    return "\n".join(lines)


def _human(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
