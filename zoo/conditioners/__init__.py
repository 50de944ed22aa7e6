"""Conditioners: one file each, the file's stem is the name. Tokens in, `Conditioning` out."""
