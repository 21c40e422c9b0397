"""Kernels in C++ behind a plain C interface: one library for each level of instruction sets."""
