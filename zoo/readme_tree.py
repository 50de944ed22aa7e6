"""The file tree in the README, one comment a file: each file's own first docstring line."""

from __future__ import annotations

import ast
from pathlib import Path

#: Files that carry no docstring.
_COMMENTS = {
    ".ci/run": "what CI runs on a clean clone",
    "constraints.txt": "the exact versions that CI proved",
    "pyproject.toml": "packaging, pins, tool settings",
    "docs": "recipes, data, metrics, engine, decisions, what did not work",
    "tests": "one file an area; `pytest -k my_net` finds a component's battery",
}
_START, _END = "<!-- tree: written by `zoo docs` -->\n```\n", "```\n<!-- /tree -->\n"


def with_tree(readme: str, root: Path) -> str:
    """Return the text of the README with its tree written anew from the files under `root`."""
    before, _, rest = readme.partition(_START)
    after = rest.partition(_END)[2]
    return before + _START + tree(root) + _END + after


def tree(root: Path) -> str:
    """Return the tree of `root`: every Python file of the package, every recipe, the rest."""
    paths = [root / name for name in _COMMENTS]
    paths += [root / "cli.py", *_files(root / "recipes", "*.yaml")]
    paths += [path for folder in ("registry", "zoo") for path in _files(root / folder, "*.py")]
    rows, shown = [], set()
    for path in sorted(paths, key=lambda p: (p.is_file() and p.parent == root, p.parts)):
        relative = path.relative_to(root)
        for depth, folder in enumerate(reversed(relative.parents[:-1])):
            if folder not in shown:
                shown.add(folder)
                rows.append(
                    ("  " * depth + folder.name + "/", _comment(root / folder / "__init__.py"))
                )
        if path.name != "__init__.py":
            indent = "  " * (len(relative.parts) - 1)
            rows.append((indent + relative.name + "/" * path.is_dir(), _comment(path, root)))
    width = max(len(name) for name, _ in rows) + 2
    return "".join(f"{name:{width}}{comment}".rstrip() + "\n" for name, comment in rows)


def _files(folder: Path, pattern: str) -> list[Path]:
    hidden = ("__pycache__", "templates", "weights")
    return [p for p in sorted(folder.rglob(pattern)) if not set(hidden) & set(p.parts)]


def _comment(path: Path, root: Path | None = None) -> str:
    if root and str(path.relative_to(root)) in _COMMENTS:
        return _COMMENTS[str(path.relative_to(root))]
    if path.suffix == ".yaml":
        lines = path.read_text("utf-8").splitlines()
        return next((x.partition(": ")[2].strip("\"'") for x in lines if x[:8] == "summary:"), "")
    if path.suffix != ".py" or not path.is_file():
        return ""
    doc = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return doc.partition("\n")[0].removesuffix(".")
