"""The stages: one file each, published folders in, one published folder out."""
