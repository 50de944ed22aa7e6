"""Content hash of a file; that of a large one is remembered in the user's cache."""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path


def file_hash(path: Path) -> str:
    """Return the sha256 of a file's content, in hexadecimal.

    Hashes of large files are remembered by path, size and modification time in the user's cache.
    """
    status = path.stat()
    if status.st_size < 50_000_000:
        return _hash(path, status.st_size, status.st_mtime_ns)
    import platformdirs

    memory = Path(platformdirs.user_cache_dir("eegzoo")) / "weight-hashes.json"
    known = json.loads(memory.read_text()) if memory.is_file() else {}
    key = f"{path.resolve()} {status.st_size} {status.st_mtime_ns}"
    if key not in known:
        known[key] = _hash(path, status.st_size, status.st_mtime_ns)
        memory.parent.mkdir(parents=True, exist_ok=True)
        partial = memory.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(known, indent=1))
        partial.replace(memory)
    return known[key]


@cache
def _hash(path: Path, _size: int, _mtime_ns: int) -> str:
    """Hash a file; what is remembered is forgotten when the file changes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
