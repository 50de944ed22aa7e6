"""The store: one folder per finished node, written whole or not at all.

Layout of its folder::

    entries/<key>/…, manifest.json     finished; the manifest is written last
    work/<key>/                        checkpoints of an unfinished stage, kept when killed
    temporary/<key>.…/                 being written; worthless after a crash
    locks/<key>.lock                   held by the process that runs the stage
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.errors import UserError

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Entry:
    """One folder of the store, as `Store.entries` lists it."""

    key: str
    stage: str
    label: str
    size: int
    last_used: float


class Store:
    """Finished nodes by key.

    Parameters
    ----------
    root : Path or None
        The folder; None takes the environment variable ``ZOO_STORE``, else the user's cache
        folder. It is created on the first write.
    """

    def __init__(self, root: Path | str | None = None) -> None:
        self.root = Path(root or _default_root()).expanduser().absolute()

    def path(self, key: str) -> Path:
        """Return the folder of `key`, whether it exists or not."""
        return self.root / "entries" / key

    def state(self, key: str) -> str:
        """Return "valid", "missing" or "damaged", from the manifest and the files' sizes."""
        folder = self.path(key)
        if not folder.exists():
            return "missing"
        try:
            files = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
            sizes = [(folder / name).stat().st_size for name in files]
        except (OSError, ValueError, KeyError):
            return "damaged"
        return "valid" if sizes == [f["size"] for f in files.values()] else "damaged"

    def states(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the state of each key; what is not there costs nothing."""
        entries = self.root / "entries"
        held = {path.name for path in entries.iterdir()} if entries.is_dir() else set()
        return {key: self.state(key) if key in held else "missing" for key in keys}

    def valid(self, key: str) -> bool:
        """Return whether `key` can be used as it is."""
        return self.state(key) == "valid"

    def damage(self, key: str) -> list[str]:
        """Return the files of `key` whose content differs from the manifest (reads them all)."""
        folder, files = self.path(key), self.manifest(key)["files"]
        return [
            name
            for name, known in files.items()
            if not (folder / name).is_file() or _sha256(folder / name) != known["sha256"]
        ]

    def manifest(self, key: str) -> dict[str, Any]:
        """Return what was recorded when `key` was published."""
        loaded: dict[str, Any] = json.loads((self.path(key) / MANIFEST).read_text("utf-8"))
        return loaded

    def touch(self, key: str) -> None:
        """Note that `key` was used now (for `prune`), where it is ours to note."""
        with suppress(OSError):  # missing, another user's, or on a read-only disk
            os.utime(self.path(key) / MANIFEST)

    def work(self, key: str) -> Path:
        """Return the folder in which a stage keeps its checkpoints, created if missing."""
        folder = self.root / "work" / key
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def temporary(self, key: str) -> Path:
        """Return a new empty folder on the store's own file system."""
        parent = self.root / "temporary"
        parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{key}.", dir=parent))

    @contextmanager
    def lock(self, key: str, timeout: float = -1) -> Iterator[None]:
        """Hold `key` alone; the lock of a killed process falls by itself.

        Raises
        ------
        TimeoutError
            If another process holds it for longer than `timeout` seconds (-1: wait for ever).
        UserError
            If the store cannot be written.
        """
        from filelock import FileLock

        folder = self.root / "locks"
        held = FileLock(folder / f"{key}.lock", timeout=timeout)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.acquire()
        except TimeoutError:  # an OSError, too, but no fault of the folder
            raise
        except OSError as error:
            raise UserError(
                f"cannot write to the store {self.root} ({error.strerror}); "
                "name another folder with --store or ZOO_STORE"
            ) from error
        try:
            yield
        finally:
            held.release()

    def publish(self, key: str, folder: Path, facts: dict[str, Any]) -> Path:
        """Move a finished temporary `folder` to its place, in one rename.

        The manifest (`facts` plus size and sha256 of every file) is written last, everything is
        flushed to disk before the rename. A valid entry that is already there counts as success.

        Returns
        -------
        Path
            The published folder.
        """
        files = {
            path.relative_to(folder).as_posix(): {
                "size": path.stat().st_size,
                "sha256": _sha256(path),
            }
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        assert MANIFEST not in files, f"a stage may not publish a file called {MANIFEST}"
        with ThreadPoolExecutor(16) as pool:  # a file system commits many flushes as one
            list(pool.map(_flush, [folder / name for name in files]))
        manifest = folder / MANIFEST
        manifest.write_text(json.dumps({**facts, "key": key, "files": files}, indent=1) + "\n")
        _flush(manifest)
        folder.chmod(0o755)  # mkdtemp makes it private; a store may be shared
        for inner in [*(p for p in folder.rglob("*") if p.is_dir()), folder]:
            _flush(inner)

        target = self.path(key)
        target.parent.mkdir(parents=True, exist_ok=True)
        if self.valid(key):
            shutil.rmtree(folder)
            return target
        if target.exists():  # damaged: out of the way first, a rename cannot replace a folder
            self.discard(key)
        folder.rename(target)
        _flush(target.parent)
        return target

    def discard(self, key: str) -> None:
        """Remove an entry (moved aside first, so that no reader meets a half-removed one)."""
        aside = self.temporary(key)
        try:
            self.path(key).rename(aside / "old")
        finally:
            shutil.rmtree(aside)

    def clear_work(self, key: str) -> None:
        """Remove the checkpoints and abandoned temporary folders of `key` (hold its lock)."""
        shutil.rmtree(self.root / "work" / key, ignore_errors=True)
        for folder in (self.root / "temporary").glob(f"{key}.*"):
            shutil.rmtree(folder, ignore_errors=True)

    def entries(self) -> list[Entry]:
        """Return every finished entry, by stage and label."""
        found = []
        for manifest in sorted((self.root / "entries").glob(f"*/{MANIFEST}")):
            key = manifest.parent.name
            if not self.valid(key):
                continue
            with suppress(FileNotFoundError):  # pruned by another process since
                facts, about = self.manifest(key), manifest.stat()
                size = about.st_size + sum(f["size"] for f in facts["files"].values())
                stage, label = facts.get("stage", key), facts.get("label", key)
                found.append(Entry(key, stage, label, size, about.st_mtime))
        return sorted(found, key=lambda entry: (entry.stage, entry.label, entry.key))

    def prune(self, unused_days: float = 30.0) -> tuple[int, int]:
        """Remove leftovers of killed runs, damaged entries and entries unused for long.

        What another process is working on is left alone, and so is what it has published or used
        since the entries were listed: each is looked at again under its lock.

        Returns
        -------
        (int, int)
            Folders removed, bytes freed.
        """
        oldest = time.time() - unused_days * 86400
        entries = {entry.key: entry for entry in self.entries()}
        doomed = [key for key, entry in entries.items() if entry.last_used < oldest]
        doomed += [p.name for p in self._folders("entries") if p.name not in entries]
        folders = [
            *(self.path(key) for key in doomed),
            *self._folders("work"),
            *self._folders("temporary"),
        ]
        sizes = [size for folder in folders if (size := self._remove(folder, oldest)) is not None]
        return len(sizes), sum(sizes)

    def _remove(self, folder: Path, oldest: float) -> int | None:
        """Remove one folder that nobody holds; return its bytes, or None where it is to stay."""
        key = folder.name.partition(".")[0]
        is_entry = folder == self.path(key)
        with ExitStack() as stack:
            try:
                stack.enter_context(self.lock(key, timeout=0))
            except TimeoutError:
                return None
            try:
                if is_entry and self.valid(key) and _used(folder) >= oldest:
                    return None
                size = size_of(folder)
                if is_entry:
                    self.discard(key)
                else:
                    shutil.rmtree(folder)
            except FileNotFoundError:  # another process was faster
                return None
        return size

    def _folders(self, name: str) -> list[Path]:
        parent = self.root / name
        return sorted(p for p in parent.iterdir() if p.is_dir()) if parent.is_dir() else []


def _used(entry: Path) -> float:
    return (entry / MANIFEST).stat().st_mtime


def size_of(folder: Path) -> int:
    """Return the bytes of all files below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _default_root() -> Path:
    named = os.environ.get("ZOO_STORE")
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("eegzoo")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
