"""What `zoo list`, `show`, `run` and `status` print, as plain data and as text."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from registry import (
    BrokenComponent,
    ComponentError,
    ComponentSpec,
    Registry,
    UnknownComponent,
    UserError,
)
from zoo.registries import REGISTRIES, registry_of

if TYPE_CHECKING:
    from zoo.engine.store import Store


#: With more cells than this, snapshots are not printed.
LARGE = 12
#: Most entries of the store that `zoo status` names.
LISTED = 60


def list_json(kind: str | None, pattern: str = "*") -> dict[str, list[dict[str, Any]]]:
    """Return kind -> name, summary and facts of every component that matches.

    Raises
    ------
    UnknownComponent
        No such kind, or nothing of it matches the pattern.
    """
    registries = list(REGISTRIES.values()) if kind is None else [registry_of(kind)]
    listed = {r.kind: [_row(r, name) for name in r.names(pattern)] for r in registries}
    if kind is not None and not listed[registries[0].kind]:
        known = registries[0].names()
        raise UnknownComponent(
            f"no {registries[0].kind} matches {pattern!r}. "
            f"Known {registries[0].plural}: {', '.join(known) or 'none'}"
        )
    return listed


def _row(registry: Registry, name: str) -> dict[str, Any]:
    try:
        spec = registry.spec(name)
    except BrokenComponent as error:
        return {"name": name, "error": str(error)}
    return {
        "name": name,
        "summary": spec.summary,
        "origin": registry.origin(name),
        "paper": spec.meta.get("paper"),
        "license": spec.meta.get("license"),
    }


def list_text(kind: str | None, pattern: str = "*") -> str:
    """Return the list as text, grouped by kind, one line for each component."""
    listed = list_json(kind, pattern)
    width = max((len(row["name"]) for rows in listed.values() for row in rows), default=0)
    blocks = []
    for group, rows in listed.items():
        lines = [
            f"  {row['name']:<{width}}  {row.get('summary') or 'BROKEN: ' + row.get('error', '')}"
            for row in rows
        ]
        blocks.append("\n".join([REGISTRIES[group].plural, *(lines or ["  none"])]))
    return "\n\n".join(blocks)


def show_json(kind: str, name: str, geometry: dict[str, Any], n_outputs: int) -> dict[str, Any]:
    """Return everything known of a component; an encoder is also built at `geometry`.

    Parameters
    ----------
    kind, name : str
    geometry : dict
        ``n_chans, n_times, sfreq``.
    n_outputs : int
        Classes of the head that is counted beside the encoder.
    """
    registry = registry_of(kind)
    spec = registry.spec(name)
    facts = {
        "kind": spec.kind,
        "name": spec.name,
        "summary": spec.summary,
        "doc": spec.doc,
        "notes": spec.notes,
        "origin": registry.origin(name),
        "class": f"{spec.module}.{spec.class_name}",
        "meta": spec.meta,
        "parameters": [_parameter(spec, p.name, registry) for p in spec.parameters],
    }
    if spec.kind == "encoder":
        facts["size"] = _encoder_size(registry, name, geometry, n_outputs)
    return facts


def _parameter(spec: ComponentSpec, name: str, registry: Registry) -> dict[str, Any]:
    parameter = spec.parameter(name)
    assert parameter is not None
    default = {} if parameter.required else {"default": parameter.default}
    return {
        "name": name,
        "type": parameter.annotation,
        **default,
        "help": parameter.help or registry.supplied.get(name, ""),
        "supplied": name in registry.supplied,
    }


def _encoder_size(
    registry: Registry, name: str, geometry: dict[str, Any], n_outputs: int
) -> dict[str, Any]:
    try:
        encoder = registry.create(name, **geometry)
    except UserError:
        raise
    except Exception as error:  # a geometry may not fit in any way that libraries have
        asked = "{n_chans} channels, {n_times} samples, {sfreq:g} Hz".format(**geometry)
        raise ComponentError(
            f"encoder {name!r} cannot be built for {asked}: {error}; choose another geometry"
        ) from error
    shape = {"n_tokens": int(encoder.n_tokens), "embed_dim": int(encoder.embed_dim)}
    head = REGISTRIES["objective"].create("classify", **shape, n_outputs=n_outputs)
    own = sum(p.numel() for p in encoder.parameters())
    return {
        "geometry": geometry,
        **shape,
        "parameters": own,
        "head": "classify",
        "n_outputs": n_outputs,
        "parameters_with_head": own + sum(p.numel() for p in head.parameters()),
    }


def show_text(facts: dict[str, Any]) -> str:
    """Return what `show_json` found as text."""
    parts = [f"{facts['name']} ({facts['kind']}): {facts['summary']}"]
    rest = facts["doc"].partition("\n")[2].strip()
    parts += [text for text in (rest, facts["notes"]) if text]
    rows = [(key, value_text(value)) for key, value in facts["meta"].items()]
    rows.append(("origin", facts["origin"]))
    parts.append(columns(rows))
    if facts["parameters"]:
        table = [("parameter", "type", "default", "")]
        for p in facts["parameters"]:
            default = repr(p["default"]) if "default" in p else "required"
            default = "from the engine" if p["supplied"] else default
            table.append((p["name"], p["type"], default, p["help"]))
        parts.append(columns(table))
    if "size" in facts:
        size, g = facts["size"], facts["size"]["geometry"]
        parts.append(
            f"At {g['n_chans']} channels x {g['n_times']} samples, {g['sfreq']:g} Hz: "
            f"tokens {size['n_tokens']} x {size['embed_dim']}, "
            f"{count_of(size['parameters'])} parameters, {count_of(size['parameters_with_head'])} "
            f"with the {size['head']!r} head for {size['n_outputs']} classes."
        )
    return "\n\n".join(parts)


def results_text(results: dict[str, Any]) -> str:
    """Return the figures of a run: a row for each cell, control and metric.

    Of a large grid snapshots are left out: results.csv and the report have them.
    """
    table = [("cell", "control", "metric", "value", "95 %", "n")]
    large = len({cell["id"] for cell in results["cells"]}) > LARGE
    for cell in results["cells"]:
        step = cell["coords"].get("step")
        if large and step is not None:
            continue
        at = "" if step is None else f" at step {step}"
        for name, figure in cell.get("metrics", {}).items():
            value, ci95 = figure.get("value"), figure.get("ci95")
            table.append(
                (
                    f"{cell['id']}{at}",
                    cell.get("control") or "-",
                    name,
                    figure.get("reason") or "not computed" if value is None else f"{value:.3f}",
                    f"{ci95[0]:.3f} to {ci95[1]:.3f}" if ci95 else "" if value is None else "none",
                    _trials(figure),
                )
            )
    seeds = ", ".join(dict.fromkeys(str(cell["seed"]) for cell in results["cells"]))
    used = ", ".join(f"{name}: {results[name]}" for name in ("data", "weights", "scale"))
    stamp = f"seed: {seeds}, {used}"
    return "\n\n".join([columns(table), *_answers(results), *_trust(results), stamp])


def _answers(results: dict[str, Any]) -> list[str]:
    """Return what the analyses of a grid answered, one sentence a line, the primary one first."""
    said = [answer["sentence"] for answer in results.get("answers") or []]
    return ["\n".join(said)] if said else []


def _trust(results: dict[str, Any]) -> list[str]:
    """Return what a reader must know of each cell, once: leaks, looks at the test, the verdict."""
    found: dict[str, list[str]] = {}
    real = [
        cell
        for cell in results["cells"]
        if cell.get("control") is None and "step" not in cell["coords"]
    ]
    looks = [cell["ledger"]["look"] for cell in real if (cell.get("ledger") or {}).get("look")]
    latest = max(looks, key=lambda look: look["number"], default=None)  # of many, this one
    for cell in real:
        verdict = results.get("contribution", {}).get(cell["id"], {}).get("verdict")
        ledger = cell.get("ledger") or {}
        look = ledger.get("look") if ledger.get("look") == latest else None
        parts = [cell.get("leakage"), look, verdict]
        said = [part["sentence"] for part in parts if part]
        said += [f"Leak probe: {cell['probe']}"] if cell.get("probe") else []
        for sentence in [*said, *filter(None, [ledger.get("stamp")])]:
            found.setdefault(sentence, []).append(cell["id"])
    lines = []
    if results.get("score_on") == "val":
        lines.append(
            "Scored on validation: a way to choose, no result. The test was not looked at."
        )
    for text, ids in found.items():
        where = ids[0] if len(ids) == 1 else f"{len(ids)} cells"
        lines.append(f"{text} ({where})" if len(real) > 1 else text)
    return ["\n".join(lines)] if lines else []


def _trials(figure: dict[str, Any]) -> str:
    """Return what a figure is over: "300 test trials"."""
    if not figure.get("n"):
        return ""
    return " ".join(str(figure[k]) for k in ("n", "split", "unit") if figure.get(k)) + "s"


def status_json(store: Store, pruned: tuple[int, int] | None) -> dict[str, Any]:
    """Return what the store holds, and what pruning removed."""
    entries = [
        {"key": e.key, "stage": e.stage, "label": e.label, "size": e.size, "last_used": e.last_used}
        for e in store.entries()
    ]
    facts: dict[str, Any] = {"store": str(store.root), "entries": entries}
    if pruned is not None:
        facts["pruned"] = {"folders": pruned[0], "bytes": pruned[1]}
    return facts


def status_text(facts: dict[str, Any]) -> str:
    """Return what `status_json` found as text."""
    now = time.time()
    table = [("stage", "what", "MB", "last used")]
    entries = facts["entries"]
    shown = entries
    if len(entries) > LISTED:  # a grid leaves thousands: the largest, in their order
        largest = sorted(entries, key=lambda e: e["size"], reverse=True)[:LISTED]
        keys = {e["key"] for e in largest}
        shown = [e for e in entries if e["key"] in keys]
    for e in shown:
        days = max(0.0, now - e["last_used"]) / 86400
        used = f"{days:.0f} days ago" if days >= 1.5 else f"{days * 24:.1f} hours ago"
        what = e["label"].removeprefix(f"{e['stage']} ")
        table.append((e["stage"], what, f"{e['size'] / 1e6:.1f}", used))
    total = sum(e["size"] for e in facts["entries"]) / 1e6
    lines = [f"{facts['store']}: {len(facts['entries'])} finished stages, {total:.1f} MB"]
    if "pruned" in facts:
        freed = facts["pruned"]["bytes"] / 1e6
        lines.append(f"removed {facts['pruned']['folders']} folders, {freed:.1f} MB")
    if len(entries) > len(shown):
        lines += ["", _by_stage(entries), "", f"The {LISTED} largest; --json lists all:"]
    if entries:
        lines += ["", columns(table)]
    return "\n".join(lines)


def _by_stage(entries: list[dict[str, Any]]) -> str:
    table = [("stage", "finished", "MB")]
    for stage in dict.fromkeys(e["stage"] for e in entries):
        sizes = [e["size"] for e in entries if e["stage"] == stage]
        table.append((stage, str(len(sizes)), f"{sum(sizes) / 1e6:.1f}"))
    return columns(table)


def columns(rows: list[tuple[str, ...]]) -> str:
    """Return a table as text: align all columns but the last."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def value_text(value: Any) -> str:
    """Return a value as tables show it."""
    if isinstance(value, tuple | list):
        return ", ".join(map(value_text, value)) or "none"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {value_text(v)}" for k, v in value.items()) + "}"
    return str(value)


def count_of(number: int) -> str:
    """Return a number of parameters: "0.93 M"."""
    return f"{number / 1e6:.2f} M" if number >= 1e5 else f"{number:,}"
