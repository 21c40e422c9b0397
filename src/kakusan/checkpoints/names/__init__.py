"""Tensor names of the original releases and of the published folders, as data, both ways."""
