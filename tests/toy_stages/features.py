# ruff: noqa: ARG001
"""Toy features of either tower."""

from __future__ import annotations


def run(inputs, params, out, context):
    (out / "features.txt").write_text(params["tower"])
