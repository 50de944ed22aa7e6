"""Toy judge's eyes."""
