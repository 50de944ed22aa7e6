"""Objectives: head and loss of encoder training. Each file is one objective."""
