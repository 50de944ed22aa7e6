"""Commands about what was run: what they print of a store and of a folder."""

from __future__ import annotations

import json
from pathlib import Path

from cli_runner import zoo

from zoo.listing import status_text


def test_status_of_a_large_store_sums_up_and_names_the_largest() -> None:
    entries = [
        {"key": str(i), "stage": "evaluate" if i % 2 else "encode", "label": f"encode n{i}",
         "size": i * 1_000_000, "last_used": 0.0}
        for i in range(200)
    ]  # fmt: skip
    text = status_text({"store": "/s", "entries": entries})
    assert "encode    100       9900.0" in text
    assert "n199" in text
    assert "n139" not in text
    assert "The 60 largest; --json lists all:" in text


def test_status_of_an_empty_store(tmp_path: Path) -> None:
    result = zoo("status", "--store", str(tmp_path / "none"))
    assert result.exit_code == 0, result.output
    assert result.output == f"{tmp_path / 'none'}: 0 finished stages, 0.0 MB\n"
    pruned = json.loads(zoo("status", "--store", str(tmp_path), "--prune", "--json").output)
    assert pruned["pruned"] == {"folders": 0, "bytes": 0}


def test_status_text() -> None:
    import time

    entry = {"stage": "encode", "label": "eegnet", "size": 2_500_000, "last_used": time.time()}
    text = status_text({"store": "/s", "entries": [entry], "pruned": {"folders": 1, "bytes": 5e6}})
    assert text == (
        "/s: 1 finished stages, 2.5 MB\n"
        "removed 1 folders, 5.0 MB\n\n"
        "stage   what    MB   last used\n"
        "encode  eegnet  2.5  0.0 hours ago"
    )


def test_report_of_something_else(tmp_path: Path) -> None:
    result = zoo("report", str(tmp_path))
    assert result.exit_code == 2
    assert result.stderr == (
        f"Error: {tmp_path} holds no results.json; name a run folder, for example runs/latest\n"
    )
