"""The engine: checked cells in, a graph of content-addressed stages run, a run folder out."""
