"""Encoders: EEG to tokens. Each file without a leading underscore is one encoder."""
