"""Components from other distributions: entry points, never imported before they are asked for."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import sys
from functools import lru_cache
from pathlib import Path

from registry.errors import ComponentError
from registry.sources import Source, module_path, shown_as

#: Set this environment variable to anything but "" or "0" to ignore all entry points.
OFF_SWITCH = "ZOO_NO_PLUGINS"

#: How the modules of files given on the command line are called, before their stem.
FILE_MODULE = "eegzoo_plugin_"


def entry_point_sources(group: str) -> list[Source]:
    """Return what installed distributions offer in the entry-point group `group`.

    An entry point is ``name = "package.module"`` or ``name = "package.module:Class"``; the
    module is the file that defines the marked class.
    """
    if os.environ.get(OFF_SWITCH, "0") not in ("", "0"):
        return []
    return list(_entry_points(group, tuple(sys.path)))


@lru_cache(maxsize=64)
def _entry_points(group: str, _sys_path: tuple[str, ...]) -> tuple[Source, ...]:
    found: dict[Source, None] = {}  # the same distribution may be on the path twice
    for point in importlib.metadata.entry_points(group=group):
        module, _, class_name = point.value.partition(":")
        provider = f"{point.dist.name} {point.dist.version}" if point.dist else "an entry point"
        path = module_path(module)
        source = Source(point.name, module, path, provider, shown_as(module), class_name or None)
        found[source] = None
    return tuple(found)


def plugin_source(plugin: str) -> Source:
    """Return the source that ``--plugin FILE_OR_MODULE`` names; the file stem is its name.

    Raises
    ------
    ComponentError
        There is no such file or module.
    """
    path = Path(plugin)
    if plugin.endswith(".py") or os.sep in plugin:
        if not path.is_file():
            raise ComponentError(f"--plugin {plugin}: there is no such file")
        path = path.resolve()
        place = hashlib.sha256(str(path).encode()).hexdigest()[:8]
        module = f"{FILE_MODULE}{path.stem}_{place}"
        return Source(path.stem, module, path, f"--plugin {plugin}", plugin)
    found = module_path(plugin)
    if found is None:
        raise ComponentError(
            f"--plugin {plugin}: no module of this name can be found (for a file, end it in .py)"
        )
    name = plugin.rpartition(".")[2]
    return Source(name, plugin, found, f"--plugin {plugin}", shown_as(plugin))


def import_file(module: str, path: Path) -> None:
    """Import the file `path` under the name `module`, once."""
    if module in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(module, path)
    assert spec is not None and spec.loader is not None
    sys.modules[module] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(sys.modules[module])
    except BaseException:
        del sys.modules[module]
        raise
