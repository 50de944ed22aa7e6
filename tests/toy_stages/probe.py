# ruff: noqa: ARG001
"""Toy probe: none is ever run."""


def run(inputs, params, out, context):
    raise AssertionError("nobody asked for a probe")
