"""Stages on several processes of this machine, or on a Dask cluster that is already there."""
