"""The store: whole entries or none, damage noticed, locks, pruning."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from registry.errors import UserError
from zoo.engine.store import MANIFEST, Entry, Store


def publish(store: Store, key: str = "encode-1", text: str = "tokens") -> Path:
    folder = store.temporary(key)
    (folder / "images").mkdir()
    (folder / "images" / "a.png").write_text(text)
    (folder / "log.csv").write_text("step\n1\n")
    return store.publish(key, folder, {"stage": "encode", "label": "encode toy"})


def test_published_entry_is_valid_and_lists_every_file(tmp_path: Path) -> None:
    store = Store(tmp_path / "s")
    assert store.state("encode-1") == "missing"
    folder = publish(store)
    assert folder == store.path("encode-1")
    assert store.valid("encode-1")
    manifest = json.loads((folder / MANIFEST).read_text())
    assert set(manifest["files"]) == {"images/a.png", "log.csv"}
    assert manifest["label"] == "encode toy"
    assert list((tmp_path / "s" / "temporary").iterdir()) == []
    assert store.damage("encode-1") == []


@pytest.mark.parametrize("how", ["shorter", "gone", "no manifest", "half a manifest"])
def test_damaged_entry_is_not_valid_and_is_replaced(tmp_path: Path, how: str) -> None:
    store = Store(tmp_path)
    folder = publish(store)
    if how == "shorter":
        (folder / "log.csv").write_text("")
    elif how == "gone":
        (folder / "log.csv").unlink()
    elif how == "no manifest":
        (folder / MANIFEST).unlink()
    else:
        (folder / MANIFEST).write_text((folder / MANIFEST).read_text()[:30])
    assert store.state("encode-1") == "damaged"
    publish(store)
    assert store.valid("encode-1")
    assert (folder / "log.csv").read_text() == "step\n1\n"


def test_same_size_damage_is_found_by_reading(tmp_path: Path) -> None:
    store = Store(tmp_path)
    (publish(store) / "log.csv").write_text("stop\n1\n")
    assert store.damage("encode-1") == ["log.csv"]


def test_an_entry_published_meanwhile_counts_as_success(tmp_path: Path) -> None:
    store = Store(tmp_path)
    folder = publish(store, text="first")
    publish(store, text="later")
    assert (folder / "images" / "a.png").read_text() == "first"


def test_nothing_is_written_until_something_is_published(tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    assert store.entries() == []
    assert not store.valid("encode-1")
    assert not (tmp_path / "new").exists()


def test_lock_is_exclusive(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.lock("encode-1"), pytest.raises(TimeoutError), store.lock("encode-1", timeout=0):
        pass
    with store.lock("encode-1", timeout=0):
        pass


def test_location_is_argument_then_environment_then_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_STORE", str(tmp_path / "env"))
    assert Store(tmp_path / "given").root == tmp_path / "given"
    assert Store().root == tmp_path / "env"
    monkeypatch.delenv("ZOO_STORE")
    assert Store().root.name == "eegzoo"


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UserError, match="cannot write to the store .* --store or ZOO_STORE"),
        Store(tmp_path / "file").lock("encode-1"),
    ):
        pass


def test_a_lock_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "locks" / "encode-1.lock").mkdir(parents=True)
    with (
        pytest.raises(UserError, match="cannot write to the store .* --store or ZOO_STORE"),
        Store(tmp_path).lock("encode-1"),
    ):
        pass


def test_an_error_under_a_lock_comes_out_as_it_is(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with pytest.raises(PermissionError), store.lock("encode-1"):
        raise PermissionError("of a stage")
    with store.lock("encode-1", timeout=0):
        pass


@pytest.mark.parametrize("how", ["used", "published", "removed"])
def test_prune_looks_again_under_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    store, other = Store(tmp_path), Store(tmp_path)
    publish(store)
    manifest = store.path("encode-1") / MANIFEST
    os.utime(manifest, (0, 0))
    if how == "published":
        (store.path("encode-1") / "log.csv").unlink()
    entries = Store.entries

    def then_another_run(self: Store) -> list[Entry]:
        found = entries(self)
        if how == "used":
            other.touch("encode-1")
        elif how == "published":
            publish(other)
        else:
            other.discard("encode-1")
        return found

    monkeypatch.setattr(Store, "entries", then_another_run)
    assert store.prune(unused_days=30) == (0, 0)
    assert store.valid("encode-1") == (how != "removed")
    assert not list((tmp_path / "temporary").iterdir())


def test_an_entry_that_goes_while_entries_are_listed_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    for key in ("encode-1", "encode-2"):
        publish(store, key)
    valid = Store.valid

    def then_gone(self: Store, key: str) -> bool:
        found = valid(self, key)
        if key == "encode-1":
            self.discard(key)
        return found

    monkeypatch.setattr(Store, "valid", then_gone)
    assert [entry.key for entry in store.entries()] == ["encode-2"]


def test_prune_keeps_what_is_used_or_being_worked_on(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for key in ("encode-old", "encode-new", "encode-damaged"):
        publish(store, key)
    os.utime(store.path("encode-old") / MANIFEST, (0, 0))
    (store.path("encode-damaged") / "log.csv").unlink()
    for key in ("encode-killed", "encode-busy"):
        (store.work(key) / "checkpoint").write_text("x")
    store.temporary("encode-killed")
    with store.lock("encode-busy"):
        removed, freed = store.prune(unused_days=30)
    assert [e.key for e in store.entries()] == ["encode-new"]
    assert [p.name for p in (tmp_path / "work").iterdir()] == ["encode-busy"]
    assert removed == 4
    assert freed > 0
