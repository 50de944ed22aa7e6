"""The pages docs/components/*.md, written from the registry, and the README's file tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from registry import ComponentSpec, Registry, UserError
from zoo.controls import CONTROLS
from zoo.readme_tree import with_tree
from zoo.registries import REGISTRIES
from zoo.towers.table import NETWORKS, TOWERS

#: Facts with a line of their own; the others are listed below them.
_HIDDEN = ("tiny", "train", "paper", "license", "renamed_from")


def write_pages(folder: Path | None = None) -> list[Path]:
    """Write every page that is out of date; return the paths written.

    Raises
    ------
    UserError
        There is no checkout whose docs folder could be meant.
    """
    folder = folder or _default_folder()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, text in _pages().items():
        path = folder / name
        if not path.is_file() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
            written.append(path)
    return written


def write_readme_tree() -> None:
    """Write the README's file tree anew."""
    readme = _checkout() / "README.md"
    readme.write_text(with_tree(readme.read_text("utf-8"), _checkout()), "utf-8")


def check_readme_tree() -> None:
    """Raise UserError if the README's file tree is not that of the files."""
    readme = _checkout() / "README.md"
    text = readme.read_text("utf-8")
    if text != with_tree(text, _checkout()):
        raise UserError(f"the file tree in {readme} is out of date. Run `zoo docs`")


def check_pages(folder: Path | None = None) -> None:
    """Raise UserError if a page differs from what `write_pages` would write."""
    folder = folder or _default_folder()
    pages = _pages()
    stale = [
        name
        for name, text in pages.items()
        if not (folder / name).is_file() or (folder / name).read_text("utf-8") != text
    ]
    extra = [path.name for path in sorted(folder.glob("*.md")) if path.name not in pages]
    if stale or extra:
        names = ", ".join([*stale, *(f"{name} (no such kind)" for name in extra)])
        raise UserError(f"out of date in {folder}: {names}. Run `zoo docs`")


def _default_folder() -> Path:
    return _checkout() / "docs" / "components"


def _checkout() -> Path:
    checkout = Path(__file__).resolve().parent.parent
    if not (checkout / "pyproject.toml").is_file():
        raise UserError("zoo docs works in a checkout; name a folder with --to")
    return checkout


def _pages() -> dict[str, str]:
    pages = {f"{registry.plural}.md": _page(registry) for registry in REGISTRIES.values()}
    rows = [
        f"| [{r.plural}]({r.plural}.md) | {', '.join(f'`{n}`' for n in _own(r))} |"
        for r in REGISTRIES.values()
    ]
    pages |= {"controls.md": _controls(), "towers.md": _towers()}
    rows += [
        f"| [controls](controls.md) | {', '.join(f'`{name}`' for name in CONTROLS)} |",
        f"| [image towers](towers.md) | {', '.join(f'`{name}`' for name in TOWERS)} |",
    ]
    pages["README.md"] = "\n".join(
        ["# Components", "", _NOTE, "", "| kind | names |", "|---|---|", *rows, ""]
    )
    return pages


def _controls() -> str:
    lines = ["# Controls", "", _NOTE, "", "| name | what is drawn |", "|---|---|"]
    lines += [f"| `{name}` | {_cell(control.about)} |" for name, control in CONTROLS.items()]
    return "\n".join([*lines, ""])


def _towers() -> str:
    lines = ["# Image towers", "", _NOTE, ""]
    lines += ["| name | gives | what | licence of the weights |", "|---|---|---|---|"]
    for name, tower in TOWERS.items():
        row = [f"`{name}`", " and ".join(tower.gives), _cell(tower.definition), tower.licence]
        lines.append(f"| {' | '.join(row)} |")
    fetched = {tower.network: NETWORKS[tower.network] for tower in TOWERS.values()}
    lines += [
        "",
        "How to get what does not ship (`DIR` is what `--weights-root` names):",
        "",
        "```",
    ]
    lines += [f"# {name}\n{row.how_to_get()}" for name, row in fetched.items() if not row.ships]
    return "\n".join([*lines, "```", ""])


_NOTE = "Written by `zoo docs` from the source of each component; do not edit."


def _own(registry: Registry) -> list[str]:
    """Return the components of this project; plug-ins do not belong in its docs."""
    return [name for name in registry.names() if registry.spec(name).module.startswith("zoo.")]


def _page(registry: Registry) -> str:
    specs = [registry.spec(name) for name in _own(registry)]
    lines = [f"# {registry.plural.capitalize()}", "", _NOTE, ""]
    if registry.supplied:
        given = ", ".join(f"`{name}`" for name in registry.supplied)
        lines += [f"Supplied by the engine where a component takes them: {given}.", ""]
    lines += ["| name | what it is | paper | license |", "|---|---|---|---|"]
    for spec in specs:
        facts = [_cell(spec.meta.get(key, "")) for key in ("paper", "license")]
        lines.append(
            f"| [`{spec.name}`](#{spec.name}) | {_cell(spec.summary)} | {facts[0]} | {facts[1]} |"
        )
    for spec in specs:
        lines += ["", *_section(spec, registry)]
    return "\n".join([*lines, ""])


def _section(spec: ComponentSpec, registry: Registry) -> list[str]:
    lines = [f"## {spec.name}", "", *spec.doc.strip().splitlines(), ""]
    lines += [*spec.notes.splitlines(), ""] if spec.notes else []
    facts = {k: v for k, v in spec.meta.items() if k not in _HIDDEN}
    if "train" in spec.meta:
        facts["default training"] = spec.meta["train"]
    lines += [f"- {key}: {_code(value)}" for key, value in facts.items()]
    own = [p for p in spec.parameters if p.name not in registry.supplied]
    if own:
        lines += ["", "| parameter | type | default | |", "|---|---|---|---|"]
        for p in own:
            default = "required" if p.required else f"`{p.default!r}`"
            lines.append(f"| `{p.name}` | `{_cell(p.annotation)}` | {default} | {_cell(p.help)} |")
    return lines


def _code(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return ", ".join(f"`{k}: {v}`" for k, v in value.items())
    if isinstance(value, tuple | list):
        return ", ".join(f"`{v}`" for v in value)
    return f"`{value}`"


def _cell(text: Any) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")
