"""What `zoo explain` prints."""

from __future__ import annotations

import re
from typing import Any

_LONGEST = 60
#: Most modules that have a line of their own, or are named in one.
_MODULES = 6
#: Stages that do different things: of what they have in common nothing is to be learned.
_MANY = ("evaluate", "features")
_DIGEST = re.compile(r"\b([0-9a-f]{12})[0-9a-f]{20,}\b")
_UPSTREAM = {
    "above": "explained above",
    "other": "explained above against another entry",
    "stored": "what it is now is in the store",
}


def explain_text(explanation: dict[str, Any]) -> str:
    """Return `Explanation.to_json` as text: a line for each node, below it what differs."""
    nodes = explanation["nodes"]
    held = sum(node["state"] == "valid" for node in nodes)
    head = f"{explanation['recipe']}, cell {explanation['cell']!r}: "
    head += f"{held} of {len(nodes)} stage runs are in the store"
    return "\n".join([head, "", *(line for node in nodes for line in _node(node))])


def _node(node: dict[str, Any]) -> list[str]:
    label = node["label"]
    if node["state"] == "valid":
        return [f"{label}: in the store"]
    if node["state"] == "damaged":
        return [f"{label}: its entry is damaged, it is made again"]
    if node["nearest"] is None:
        nothing = "nothing like it" if node["stage"] in _MANY else f"no {node['stage']}"
        return [f"{label}: the store holds {nothing}"]
    differences = node["differences"]
    if differences and all(d.get("upstream") == "above" for d in differences):
        return [f"{label}: its inputs alone differ, explained above"]
    modules = [d for d in differences if d["kind"] == "code"]
    summed = len(modules) > _MODULES
    lines = [
        _difference(d)
        for d in differences
        if d["kind"] != "input" and not (summed and d["kind"] == "code")
    ]
    lines += _modules(modules) if summed else []
    lines += _inputs([d for d in differences if d["kind"] == "input"])
    if not lines:
        lines = ["nothing that the manifest records; the layout of the store may have changed"]
    near = node["nearest"]
    first = f"{label}: not as {_short(near['key'])} ({near['label']})"
    return [first, *(f"    {line}" for line in lines)]


def _modules(differences: list[dict[str, Any]]) -> list[str]:
    """Return a line for the modules that are newly used, and one for those no longer used."""
    said = []
    for side, what in (("new", "newly used"), ("old", "no longer used")):
        names = [d["name"] for d in differences if side in d]
        if names:
            more = f" and {len(names) - _MODULES} more" if len(names) > _MODULES else ""
            said.append(f"code {what}: {', '.join(names[:_MODULES])}{more}")
    return said


def _difference(difference: dict[str, Any]) -> str:
    kind, name = difference["kind"], difference.get("name")
    if kind == "source":
        among = ", ".join(difference["among"])
        if not difference["certain"]:
            return f"code, perhaps edited: {among}"
        several = len(difference["among"]) > 1
        return f"code, one or more edited of: {among}" if several else f"code {among}: edited"
    if kind == "code":
        return f"code {name}: {'newly used' if 'new' in difference else 'no longer used'}"
    what = {"param": name, "library": f"library {name}"}[kind]
    old, new = (_value(difference, side, short=True) for side in ("old", "new"))
    if old == new:  # alike as far as they are shown
        old, new = (_value(difference, side, short=False) for side in ("old", "new"))
    return f"{what}: {old} -> {new}"


def _inputs(differences: list[dict[str, Any]]) -> list[str]:
    """Return a line for each thing that can be said of inputs, naming all it is said of."""
    said: dict[str, list[str]] = {}
    for difference in differences:
        if "old" not in difference or "new" not in difference:
            what = "newly used" if "new" in difference else "no longer used"
        else:
            what = f"another one, {_UPSTREAM[difference['upstream']]}"
        said.setdefault(what, []).append(difference["name"])
    return [f"input {', '.join(roles)}: {what}" for what, roles in said.items()]


def _value(difference: dict[str, Any], side: str, *, short: bool) -> str:
    if side not in difference:
        return "(absent)"
    value = difference[side]
    text = value if isinstance(value, str) and value else repr(value)
    if not short:
        return text
    text = _short(text)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _short(text: str) -> str:
    """Cut digests and keys down to what tells them apart at a glance."""
    return _DIGEST.sub(r"\1…", text)
