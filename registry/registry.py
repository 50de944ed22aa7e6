"""`Registry`: the components of one kind, by name."""

from __future__ import annotations

import importlib
import traceback
import warnings
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from registry.errors import (
    BadParameters,
    BrokenComponent,
    ComponentError,
    UnknownComponent,
    article,
    did_you_mean,
)
from registry.parameters import ParameterProblem, parameter_problems
from registry.plugins import FILE_MODULE, entry_point_sources, import_file
from registry.runtime import spec_of_class
from registry.sources import Source, folder_sources
from registry.spec import ComponentSpec
from registry.static import read_spec


class Registry:
    """All components of one kind: the files of a folder, plug-ins, and what `add` was given.

    Parameters
    ----------
    kind : str
        "encoder", "metric" ...
    package : str
        The package whose folder is the list, for example "zoo.encoders".
    group : str
        Entry-point group of plug-ins.
    supplied : mapping, optional
        Constructor parameters that the engine supplies, each with the words that explain it.
    facts : collection of str, optional
        Keywords that the mark may have; None allows any.
    family : dict, optional
        The registries of the other kinds; this one adds itself under `kind`. Used to say
        "'lora' is a conditioner, not an encoder".
    distribution : str
        What to pip-install, for messages about extras.
    plural : str, optional
        Of `kind`, where it is not made by an s.

    Examples
    --------
    >>> ENCODERS.names("eeg*")
    ['eeg_conv_net', 'eegnet']
    >>> ENCODERS.create("eegnet", n_chans=32, n_times=250, sfreq=250.0)
    """

    def __init__(
        self,
        kind: str,
        package: str,
        group: str,
        *,
        supplied: Mapping[str, str] | None = None,
        facts: Collection[str] | None = None,
        family: dict[str, Registry] | None = None,
        distribution: str = "eegzoo",
        plural: str | None = None,
    ) -> None:
        self.kind = kind
        self.plural = plural or f"{kind}s"
        self.package = package
        self.group = group
        self.supplied = dict(supplied or {})
        self.facts = facts
        self.distribution = distribution
        self._family = {} if family is None else family
        self._family[kind] = self
        self._added: dict[str, type] = {}
        self._extra: list[Source] = []
        self._known: dict[str, ComponentSpec] | None = None

    def __repr__(self) -> str:
        return f"Registry({self.kind!r}, {self.package!r}): {', '.join(self.names())}"

    # ---- finding

    def names(self, pattern: str = "*") -> list[str]:
        """Return the sorted names that match a shell pattern, without importing anything."""
        return sorted(n for n in {*self._sources(), *self._added} if fnmatchcase(n, pattern))

    def spec(self, name: str) -> ComponentSpec:
        """Return what is known of a component from its source text.

        Raises
        ------
        UnknownComponent
            No component has this name (nor had it before a rename).
        BrokenComponent
            Its file cannot be read as a component, or two providers claim the name.
        """
        if self._known is None:
            return self._find(name)
        if name not in self._known:
            self._known[name] = self._find(name)
        return self._known[name]

    @contextmanager
    def reading_once(self) -> Iterator[None]:
        """Read each component's source once while this lasts; edits made meanwhile are not seen.

        For work that asks for the same few components tens of thousands of times.
        """
        before, self._known = self._known, {} if self._known is None else self._known
        try:
            yield
        finally:
            self._known = before

    def specs(self) -> list[ComponentSpec]:
        """Return the specs of all components, sorted by name."""
        return [self.spec(name) for name in self.names()]

    def origin(self, name: str) -> str:
        """Return where a component comes from: "zoo/encoders/eegnet.py:12", "eeg-plug 0.3"."""
        spec = self.spec(name)
        if spec.name in self._added:
            return f"added by hand ({spec.path}:{spec.line})"
        (source,) = self._sources()[spec.name]
        where = f"{source.shown}:{spec.line}"
        return where if source.provider == "zoo" else f"{source.provider} ({where})"

    # ---- building

    def get(self, name: str) -> type:
        """Import a component's file and return its class.

        Raises
        ------
        UnknownComponent, BrokenComponent
            As `spec`; also where the import fails, with the cause chained.
        """
        if name in self._added:
            return self._added[name]
        spec = self.spec(name)
        (source,) = self._sources()[spec.name]
        try:
            if source.module.startswith(FILE_MODULE):
                import_file(source.module, spec.path)
            module = importlib.import_module(source.module)
        except Exception as error:  # a component may fail in any way; the cause is chained
            raise self._import_failure(spec, source, error) from error
        cls = getattr(module, spec.class_name)
        assert isinstance(cls, type)
        return cls

    def create(self, name: str, **params: Any) -> Any:
        """Build a component after checking the parameters' names against its signature.

        Raises
        ------
        BadParameters
            An unknown parameter, or a required one that is missing.
        """
        spec = self.spec(name)
        problems = parameter_problems(spec, params, needed=self.supplied, check_types=False)
        if problems:
            raise BadParameters("\n".join(problems))
        return self.get(spec.name)(**params)

    def check_parameters(
        self, name: str, params: Mapping[str, Any], *, given: Iterable[str] | None = None
    ) -> list[ParameterProblem]:
        """Say what is wrong with JSON parameters, from the static signature alone.

        Parameters
        ----------
        name : str
        params : mapping
        given : iterable of str, optional
            Parameters that somebody else supplies: neither missing nor allowed in `params`.
            By default those that the engine supplies for this kind.

        Returns
        -------
        list of ParameterProblem
            One sentence each (a str with the attribute ``parameter``); empty when all is well.
        """
        supplied = tuple(self.supplied) if given is None else tuple(given)
        return parameter_problems(self.spec(name), params, needed=self.supplied, given=supplied)

    # ---- adding

    def add(self, name: str, cls: type) -> None:
        """Register a class by hand (notebooks, tests); adding a name again replaces it.

        Raises
        ------
        ComponentError
            A file or plug-in already provides the name.
        """
        if name in self._sources():
            raise ComponentError(
                f"{self.kind} {name!r} is already provided by {self.origin(name)}; "
                "choose another name"
            )
        self._added[name] = cls

    def add_plugin(self, source: Source) -> None:
        """Register a file given on the command line."""
        if source not in self._extra:
            self._extra.append(source)

    # ---- inside

    def _find(self, name: str) -> ComponentSpec:
        if name in self._added:
            added = spec_of_class(self.kind, name, self._added[name])
            return self._with_known_facts(added, f"{added.path}:{added.line}")
        sources = self._sources()
        if name not in sources:
            name = self._renamed(name)
            sources = self._sources()
        return self._read(sources[name])

    def _sources(self) -> dict[str, list[Source]]:
        """Return who provides each name; more than one provider is a clash, reported on use."""
        providers: dict[str, list[Source]] = {}
        found = [*folder_sources(self.package), *entry_point_sources(self.group), *self._extra]
        for source in found:
            providers.setdefault(source.name, []).append(source)
        return providers

    def _read(self, providers: list[Source]) -> ComponentSpec:
        source = providers[0]
        if len(providers) > 1:
            raise BrokenComponent(
                f"{self.kind} {source.name!r} is provided by "
                f"{' and by '.join(p.provider for p in providers)}; uninstall or rename one"
            )
        if source.path is None:
            raise BrokenComponent(
                f"{self.kind} {source.name!r} ({source.provider}): the module "
                f"{source.module!r} cannot be found; an entry point names the module that "
                "defines the class"
            )
        spec = read_spec(
            self.kind,
            source.name,
            module=source.module,
            path=source.path,
            shown=source.shown,
            class_name=source.class_name,
        )
        return self._with_known_facts(spec, f"{source.shown}:{spec.line}")

    def _with_known_facts(self, spec: ComponentSpec, where: str) -> ComponentSpec:
        """Return `spec`; refuse a mistyped keyword of the mark, which would silently do nothing."""
        unknown = [] if self.facts is None else [f for f in spec.meta if f not in self.facts]
        if unknown:
            raise BrokenComponent(
                f"{where} @component has no keyword {unknown[0]!r}. "
                f"{did_you_mean(unknown[0], self.facts or ())}"
                f"For {article(self.kind)} it takes: {', '.join(sorted(self.facts or ()))}"
            )
        return spec

    def _renamed(self, name: str) -> str:
        """Return the present name of a component that was once called `name`, with a warning."""
        for present in self.names():
            try:
                former = self.spec(present).meta.get("renamed_from", ())
            except BrokenComponent:
                continue  # it breaks only itself; asking for it by its own name says how
            if name in ((former,) if isinstance(former, str) else former):
                warnings.warn(
                    f"{self.kind} {name!r} is now called {present!r}",
                    DeprecationWarning,
                    stacklevel=4,
                )
                return present
        raise UnknownComponent(self._unknown(name))

    def _unknown(self, name: str) -> str:
        for kind, registry in self._family.items():
            if registry is not self and name in registry.names():
                return f"{name!r} is {article(kind)}, not {article(self.kind)}"
        known = self.names()
        return (
            f"unknown {self.kind} {name!r}. {did_you_mean(name, known)}"
            f"Known {self.plural}: {', '.join(known) or 'none'}"
        )

    def _import_failure(
        self, spec: ComponentSpec, source: Source, error: Exception
    ) -> BrokenComponent:
        own = {self.package.partition(".")[0], source.module.partition(".")[0], "registry"}
        if isinstance(error, ModuleNotFoundError) and error.name:
            package = error.name.partition(".")[0]
            if package not in own:
                extras = spec.meta.get("extras")
                wanted = f'"{self.distribution}[{extras}]"' if extras else package
                return BrokenComponent(
                    f"{self.kind} {spec.name!r} needs the package {package!r}, which is not "
                    f"installed (pip install {wanted})"
                )
        line = _line_in(spec.path, error) or spec.line
        cause = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return BrokenComponent(
            f"{self.kind} {spec.name!r} ({source.shown}:{line}) failed to import: {cause}"
        )


def _line_in(path: Path, error: Exception) -> int | None:
    """Return the last line of the file `path` on the way to `error`."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename) == path:
        return error.lineno
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if Path(frame.filename) == path]
    return lines[-1] if lines else None
