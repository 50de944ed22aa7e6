"""What all tests share: nothing of the user's machine is read or written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from zoo.registries import PLUGINS


@pytest.fixture(autouse=True)
def _own_store_and_no_plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep tests away from the user's store, from plug-ins that happen to be installed, and from
    those that other tests named: workers would look for their files.
    """
    monkeypatch.setenv("ZOO_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("ZOO_NO_PLUGINS", "1")
    before = len(PLUGINS)
    yield
    del PLUGINS[before:]


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of real recordings, from ``ZOO_TEST_DATA``; without it the test is skipped."""
    named = os.environ.get("ZOO_TEST_DATA")
    if not named:
        pytest.skip("needs real recordings: set ZOO_TEST_DATA to the folder that holds them")
    root = Path(named)
    if not root.is_dir():
        pytest.fail(f"ZOO_TEST_DATA={named} is no folder")
    return root
