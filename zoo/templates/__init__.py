"""The files that `zoo new` writes: one small working component of each kind."""

from __future__ import annotations

import keyword
from importlib.resources import files
from pathlib import Path
from string import Template

from registry import ComponentError, UserError
from zoo.registries import registry_of


def write_template(kind: str, name: str, folder: Path | None = None) -> tuple[Path, str]:
    """Write the file of a new component.

    Parameters
    ----------
    kind, name : str
        For example "encoder", "my_net".
    folder : Path, optional
        Where to; by default its place in a checkout, else the current folder.

    Returns
    -------
    path : Path
    advice : str
        How to use it from there.

    Raises
    ------
    UserError
        The name cannot be a file's or is taken, or the file exists.
    """
    registry = registry_of(kind)
    if not name.isidentifier() or keyword.iskeyword(name) or name != name.lower():
        raise ComponentError(
            f"{name!r} cannot name a component: use lower-case letters, digits and _, as in my_net"
        )
    if name.startswith("_"):
        raise ComponentError(f"{name!r} would be a helper: component names do not begin with _")
    if name in registry.names():
        raise ComponentError(f"{registry.kind} {name!r} is already there: {registry.origin(name)}")
    home = _home(registry.package)
    folder = folder or home or Path.cwd()
    path = folder / f"{name}.py"
    if path.exists():
        raise UserError(f"{path} exists; remove it or choose another name")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(template(registry.kind, name), "utf-8")
    if folder == home:
        return path, f"It is listed already: zoo show {registry.kind} {name}; pytest -k {name}"
    return path, f"Use it with: zoo run RECIPE --plugin {path}"


def template(kind: str, name: str) -> str:
    """Return the source of a new component."""
    text = files(__package__).joinpath(f"{kind}.py.txt").read_text("utf-8")
    words = name.split("_")
    return Template(text).substitute(
        name=name,
        title=" ".join(words).capitalize(),
        Class="".join(word.capitalize() for word in words),
    )


def _home(package: str) -> Path | None:
    """Return the folder of a kind in a checkout; None where zoo is installed as a package."""
    zoo = Path(__file__).resolve().parent.parent
    if not (zoo.parent / "pyproject.toml").is_file():
        return None
    return zoo.parent.joinpath(*package.split("."))
