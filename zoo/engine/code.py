"""Which source code a stage can run, and a hash of it that comments and docstrings do not move."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import importlib.util
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from registry.errors import ComponentError
from registry.spec import ComponentSpec

#: Our top-level package, whose sources are read module by module.
OWN = ("zoo",)

#: First-party modules that cannot change a result: the front door, the progress bars, and the
#: registry, which only finds components (those it finds are in the key themselves).
NOT_IN_KEYS = frozenset({"zoo", "zoo.progress", "zoo.registries"})

#: Third-party packages that cannot change a result; every other import is in the key.
NOT_COMPUTE = frozenset(
    {"click", "filelock", "jinja2", "matplotlib", "platformdirs", "registry", "tqdm"}
)

#: Where a statement keeps those inside it; the first is what an ``if`` does when it holds.
_BODIES = ("body", "orelse", "finalbody", "handlers", "cases")
_DISTRIBUTIONS = {"sklearn": "scikit-learn", "skimage": "scikit-image", "PIL": "pillow"}


@dataclass(frozen=True)
class Code:
    """The code behind one node.

    Parameters
    ----------
    digest : str
        sha256 over the normalised source of all its modules.
    modules : tuple of str
        Their names, sorted; plug-ins by kind and name.
    libraries : dict
        Third-party package -> "major.minor".
    """

    digest: str
    modules: tuple[str, ...]
    libraries: dict[str, str]

    @cached_property
    def written(self) -> str:
        """The libraries as JSON with sorted keys."""
        return json.dumps(self.libraries, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True)
class _Source:
    digest: str
    imports: frozenset[str]


def code_of(modules: Iterable[str], components: Iterable[ComponentSpec] = ()) -> Code:
    """Return the code of stage `modules` and of the `components` they will be given by name.

    The static import closure is followed through the project's own modules, imports inside
    functions included, ``if TYPE_CHECKING:`` blocks left out. A plug-in contributes its file and
    its package in the same way.

    Raises
    ------
    ComponentError
        If a component has no source file (typed into an interpreter).
    """
    parts: dict[str, str] = {}
    third_party: set[str] = set()
    roots = [(name, _tops(name)) for name in modules]
    for spec in components:
        top = spec.module.partition(".")[0]
        if top in OWN:
            roots.append((spec.module, OWN))
            continue
        if not spec.path.is_file():
            raise ComponentError(
                f"the source of {spec.kind} {spec.name!r} cannot be read ({spec.path}), so its "
                "results cannot be told from those of another version; put it in a file"
            )
        source = _read(spec.path.resolve(), spec.module.rpartition(".")[0])
        parts[f"plug-in {spec.kind} {spec.name}"] = source.digest
        third_party |= {name.partition(".")[0] for name in source.imports}
        tops = _tops(spec.module)
        roots.extend((name, tops) for name in source.imports if _locate(name, tops))
    for root, tops in roots:
        for name in _closure(root, tops):
            path = _locate(name, tops)
            assert path is not None
            source = _read_module(path, name)
            parts[name] = source.digest
            third_party |= {i.partition(".")[0] for i in source.imports}
    digest = hashlib.sha256(repr(sorted(parts.items())).encode()).hexdigest()
    third_party -= {"", *sys.stdlib_module_names, *NOT_COMPUTE, *OWN}
    libraries = {name: version for name in sorted(third_party) if (version := _version(name))}
    return Code(digest, tuple(sorted(parts)), libraries)


@cache
def _closure(root: str, tops: tuple[str, ...]) -> tuple[str, ...]:
    """Return every module of the packages `tops` that importing `root` can reach."""
    assert _locate(root, tops) is not None, f"no module {root}"
    found: set[str] = set()
    waiting = [root]
    while waiting:
        name = waiting.pop()
        if name in found or name in NOT_IN_KEYS or name.partition(".")[0] not in tops:
            continue
        path = _locate(name, tops)
        if path is None:  # a name imported from a module, not a module itself
            continue
        found.add(name)
        waiting.extend(_read_module(path, name).imports)
        waiting.extend(_parents(name))
    return tuple(sorted(found))


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name


@cache
def _locate(name: str, tops: tuple[str, ...]) -> Path | None:
    """Return the source file of a module of one of the packages `tops`, importing nothing."""
    top, *rest = name.split(".")
    if top not in tops:
        return None
    spec = importlib.util.find_spec(top)
    for folder in (spec and spec.submodule_search_locations) or ():
        base = Path(folder).joinpath(*rest)
        candidates = [base / "__init__.py", *([base.with_suffix(".py")] if rest else [])]
        for path in candidates:
            if path.is_file():
                return path.resolve()
    return None


@cache
def _tops(module: str) -> tuple[str, ...]:
    """Return the packages whose sources count for `module`: ours, and its own if it has one.

    A lone file, a script or a notebook has no package; only the file itself counts then.
    """
    top = module.partition(".")[0]
    if top in {"", "__main__", *OWN}:
        return OWN
    spec = importlib.util.find_spec(top)
    return (*OWN, top) if spec is not None and spec.submodule_search_locations else OWN


def _read_module(path: Path, name: str) -> _Source:
    return _read(path, name if path.name == "__init__.py" else name.rpartition(".")[0])


@cache
def _read(path: Path, package: str) -> _Source:
    """Return the source of a file whose relative imports start at `package`."""
    tree = ast.parse(path.read_text("utf-8"), filename=str(path))
    imports = frozenset(_imports(tree, package))
    _drop_docstrings(tree)
    return _Source(hashlib.sha256(ast.unparse(tree).encode()).hexdigest(), imports)


def _imports(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield every dotted name that `tree`, a file of `package`, may import."""
    for node in _statements(tree.body, type_checking=False):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - node.level + 1], *filter(None, [base])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _statements(body: Iterable[ast.AST], *, type_checking: bool) -> Iterator[ast.AST]:
    """Yield statements and those inside them, and no expression: a tenth of what a tree holds."""
    for node in body:
        yield node
        skipped = not type_checking and isinstance(node, ast.If) and _is_type_checking(node.test)
        for part in _BODIES[1:] if skipped else _BODIES:
            yield from _statements(getattr(node, part, ()), type_checking=type_checking)


def _is_type_checking(test: ast.expr) -> bool:
    return getattr(test, "id", getattr(test, "attr", None)) == "TYPE_CHECKING"


def _drop_docstrings(tree: ast.Module) -> None:
    owners = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in [tree, *_statements(tree.body, type_checking=True)]:
        if isinstance(node, owners) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:] or [ast.Pass()]


@cache
def _version(package: str) -> str | None:
    """Return "major.minor" of the distribution that provides `package`; None if there is none."""
    try:
        version = importlib.metadata.version(_DISTRIBUTIONS.get(package, package))
    except importlib.metadata.PackageNotFoundError:
        providers = _providers().get(package)
        if not providers:
            return None
        version = importlib.metadata.version(providers[0])
    return ".".join(version.partition("+")[0].split(".")[:2])


@cache
def _providers() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())
