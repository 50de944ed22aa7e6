"""What a finished grid is asked: one file is one analysis, the file's name is its name."""
