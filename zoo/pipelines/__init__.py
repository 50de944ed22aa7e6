"""Pipelines: one file each, the file's stem is the name. They own the denoiser and its towers."""
