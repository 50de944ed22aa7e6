"""Toy stages for the engine's tests: the published layout of the real ones, no work."""
