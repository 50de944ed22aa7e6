"""Whether a worker would compute what this process would: same code, versions and folders."""

from __future__ import annotations

import hashlib
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from registry.errors import UserError
from registry.plugins import plugin_source
from zoo.engine.store import Store
from zoo.engine.task import Setting
from zoo.engine.versions import versions
from zoo.registries import PLUGINS, add_plugin

if TYPE_CHECKING:
    from distributed import Client

#: Seconds until a file that one machine has written has to be seen by another.
PATIENCE = 60.0
#: Packages of Dask that scheduler, workers and client have to agree in.
_DASK = ("dask", "distributed")


def _minor_versions() -> dict[str, str]:
    return {name: ".".join(full.split(".")[:2]) for name, full in versions().items()}


@cache
def _package_digest() -> str:
    """Return the hash of our source files as they were when this process first asked: what it
    has imported since cannot be told from its files.
    """
    root = Path(__file__).resolve().parents[3]
    files = sorted(
        file for package in ("zoo", "registry") for file in (root / package).rglob("*.py")
    )
    assert files, f"{root} holds no source of ours, so nothing would be compared"
    digest = hashlib.sha256()
    for file in files:
        digest.update(f"{file.relative_to(root).as_posix()} {file.stat().st_size}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


@cache
def _file_digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _plugin_digests() -> dict[str, str]:
    return {plugin: _file_digest(str(plugin_source(plugin).path)) for plugin in PLUGINS}


@dataclass(frozen=True)
class Ours:
    """What a worker has to share with the process that asks for the work.

    Parameters
    ----------
    source : str
        Hash of the source files of the project.
    versions : dict
        Of Python and the libraries that compute, "major.minor".
    plugins : dict
        File or module given as ``--plugin`` -> hash of its source.
    """

    source: str = field(default_factory=_package_digest)
    versions: dict[str, str] = field(default_factory=_minor_versions)
    plugins: dict[str, str] = field(default_factory=_plugin_digests)


def difference(ours: Ours, setting: Setting) -> str | None:
    """Return why this process would not compute what the asking one would; None where it would.

    Registers plug-ins that are not known here yet.
    """
    theirs = _minor_versions()
    differing = [
        f"{name} {theirs.get(name, 'is missing')} (here {version})"
        for name, version in ours.versions.items()
        if theirs.get(name) != version
    ]
    if differing:
        return f"has other versions: {', '.join(differing)}; install the same on both sides"
    if _package_digest() != ours.source:
        return "runs other source of eegzoo; install the same there and start the worker again"
    for plugin, digest in ours.plugins.items():
        try:
            if plugin not in PLUGINS:
                add_plugin(plugin)
            if _file_digest(str(plugin_source(plugin).path)) != digest:
                return f"has another version of the plug-in {plugin}; start the worker again"
        except (UserError, OSError) as error:
            return f"cannot use the plug-in {plugin}: {error}"
    named = (setting.roots.data, setting.roots.images, setting.roots.weights)
    gone = [str(folder) for folder in named if folder is not None and not folder.is_dir()]
    if gone:
        return f"does not see {' and '.join(gone)}; the folder has to have the same path there"
    return None


def require_alike(client: Client, ours: Ours, setting: Setting) -> None:
    """Ask every worker that is there whether it is like us and sees our store.

    Raises
    ------
    UserError
        One is not or does not; all of them in one message.
    """
    _require_same_dask(client)
    with _beacon(Store(setting.store)) as beacon:
        answers = client.run(_look, ours, setting, beacon, on_error="return")
        wrong = {worker: answer for worker, answer in answers.items() if answer is not None}
        unseen = sorted(w for w in answers if w not in wrong and not _answered(beacon, w))
    wrong |= dict.fromkeys(unseen, f"writes to another store than {setting.store}; share one")
    if wrong:
        said = {
            w: f"cannot run eegzoo ({type(a).__name__}: {a}); install it there"
            if isinstance(a, Exception)
            else a
            for w, a in wrong.items()
        }
        raise UserError("\n".join(f"worker {worker} {text}" for worker, text in said.items()))


def _require_same_dask(client: Client) -> None:
    found = client.get_versions(check=False)
    others = {"the scheduler": found["scheduler"], **found["workers"]}
    ours = found["client"]["packages"]
    for who, facts in others.items():
        theirs = (facts or {}).get("packages", {})
        differing = [
            f"{name} {theirs.get(name)} (here {ours[name]})"
            for name in _DASK
            if theirs.get(name) != ours[name]
        ]
        if differing:
            name = who if who == "the scheduler" else f"worker {who}"
            raise UserError(
                f"{name} has other versions: {', '.join(differing)}; install the same on both sides"
            )


@contextmanager
def _beacon(store: Store) -> Iterator[Path]:
    """Yield a new folder in the store that workers look for."""
    key = f"beacon-{secrets.token_hex(8)}"
    folder = store.temporary(key)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _look(ours: Ours, setting: Setting, beacon: Path, dask_worker: Any) -> str | None:
    """Run on a worker: return what is wrong with it; leave our address in the beacon."""
    if not wait_until(beacon.is_dir):
        return (
            f"({socket.gethostname()}) does not see the store {setting.store}; "
            "--store has to name a folder that all machines share, under the same path"
        )
    try:
        (beacon / _file_name(dask_worker.address)).touch()
    except OSError as error:
        return f"cannot write to the store {setting.store} ({error.strerror})"
    return difference(ours, setting)


def _answered(beacon: Path, worker: str) -> bool:
    return wait_until((beacon / _file_name(worker)).exists)


def _file_name(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()[:16]


def wait_until(seen: Callable[[], bool]) -> bool:
    """Return whether `seen` comes true: shared file systems show new files some seconds late."""
    until = time.monotonic() + PATIENCE
    while not seen():
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return True
