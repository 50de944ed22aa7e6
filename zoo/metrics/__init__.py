"""Figures of merit: one file is one metric, the file's name is the metric's name."""
