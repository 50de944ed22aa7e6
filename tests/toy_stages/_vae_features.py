"""Toy VAE."""
