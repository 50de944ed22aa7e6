"""Data sets: EEG trials with the pictures that were seen; one file per data set."""
