"""Where component files are: the files of a package folder, found without importing them."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Source:
    """One component file and who provides it.

    Parameters
    ----------
    name : str
        The component's name.
    module : str
        How it is imported.
    path : Path or None
        The file; None where a plug-in's module cannot be found.
    provider : str
        "zoo", "eeg-plug 0.3", or the argument of ``--plugin``.
    shown : str
        How messages call the file.
    class_name : str or None
        The class, where an entry point names it.
    """

    name: str
    module: str
    path: Path | None
    provider: str
    shown: str
    class_name: str | None = None


def folder_sources(package: str) -> list[Source]:
    """Return the component files of `package`: every ``*.py`` directly in its folder.

    Files that begin with "_" are helpers; folders are never components. The package itself is
    not imported (its parents are).
    """
    sources = []
    for folder in _folders(package):
        for path in sorted(folder.glob("*.py")):
            if not path.name.startswith("_"):
                module = f"{package}.{path.stem}"
                sources.append(
                    Source(path.stem, module, path, package.partition(".")[0], shown_as(module))
                )
    return sources


def module_path(module: str) -> Path | None:
    """Return the source file of a dotted module without importing it or its parents."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except ValueError:  # a module without __spec__, such as __main__
        return None
    name = top
    for part in rest:
        if spec is None or spec.submodule_search_locations is None:
            return None
        name = f"{name}.{part}"
        spec = importlib.machinery.PathFinder.find_spec(name, spec.submodule_search_locations)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def shown_as(module: str) -> str:
    """Return how messages call the file of `module`: "zoo/encoders/eegnet.py"."""
    return module.replace(".", "/") + ".py"


def _folders(package: str) -> list[Path]:
    if package in sys.modules:
        return [Path(p) for p in sys.modules[package].__path__]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.submodule_search_locations is None:
        return []
    return [Path(p) for p in spec.submodule_search_locations]
