"""`simulate`: files of a data set's exact format, made up, for tests, demonstrations and dry runs.

One module per data set, with ``SMALL`` and ``FULL`` (how much is written) and ``write``.
"""
