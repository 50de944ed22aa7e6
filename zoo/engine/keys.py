"""The key of a node: a hash of everything that can change its result, and of nothing else."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from registry.spec import ComponentSpec
from zoo.engine.code import Code

_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)

#: Raised by one when the layout of published folders changes.
SCHEMA = 1


def node_key(
    stage: str,
    params: Mapping[str, Any],
    inputs: Mapping[str, str],
    code: Code,
    *,
    written: str | None = None,
) -> str:
    """Return the key of a node, ``<stage>-<32 hex digits>``.

    Parameters
    ----------
    stage : str
        Name of the stage.
    params : mapping
        What it will be given; JSON-able, defaults resolved in. Seeds and the fingerprints of
        data, pictures and weights are among them.
    inputs : mapping
        Role -> key of the node that provides it.
    code : Code
        Of the stage and of the components it names.
    written : str, optional
        The `params` as `canonical` writes them, where many nodes share them.
    """
    # What `canonical` makes of it all; large grids spend their time here.
    named = ",".join([f'"{role}":"{inputs[role]}"' for role in sorted(inputs)])
    content = (
        f'{{"code":"{code.digest}","inputs":{{{named}}},"libraries":{code.written},'
        f'"params":{written or canonical(params)},"schema":{SCHEMA},"stage":"{stage}"}}'
    )
    return f"{stage}-{hashlib.sha256(content.encode()).hexdigest()[:32]}"


def canonical(value: Any) -> str:
    """Return `value` as JSON with sorted keys; 1 and 1.0 differ, nan and infinity are refused."""
    return _CANONICAL.encode(value)


def typed(spec: ComponentSpec, params: Mapping[str, Any]) -> dict[str, Any]:
    """Return component parameters with numbers of the type the constructor declares.

    A parameter annotated ``float`` (alone, optional, or inside a sequence) turns 1 into 1.0, so
    that both spellings are the same component; where ``int`` is allowed too they stay different.
    """
    floats = {p.name for p in spec.parameters if _takes_floats(p.annotation)}
    return {name: _as_float(v) if name in floats else v for name, v in params.items()}


@cache
def _takes_floats(annotation: str) -> bool:
    words = set(re.findall(r"\w+", annotation))
    return "float" in words and "int" not in words


def untyped(block: Any) -> Any:
    """Return `block` with whole floats as integers: in ``train`` and ``sample`` no value means
    one thing as 1 and another as 1.0.
    """
    if isinstance(block, float) and block.is_integer():
        return int(block)
    if isinstance(block, Mapping):
        return {name: untyped(value) for name, value in block.items()}
    if isinstance(block, (list, tuple)):
        return [untyped(value) for value in block]
    return block


def _as_float(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, (list, tuple)):
        return [_as_float(item) for item in value]
    return value
