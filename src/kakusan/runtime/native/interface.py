"""What each kernel is called with: interface.hpp's structures, field by field, and their sizes."""

import ctypes
from collections.abc import Sequence
from typing import Any

POINTER, INTEGER, REAL = ctypes.c_void_p, ctypes.c_int64, ctypes.c_double

Fields = Sequence[tuple[str, Any]]
_BEGIN: Fields = [("threads", INTEGER), ("x_type", INTEGER), ("x", POINTER)]
_PARAMETERS: Fields = [
    ("weight", POINTER),
    ("weight_type", INTEGER),
    ("bias", POINTER),
    ("bias_type", INTEGER),
]


def _integers(names: str) -> Fields:
    return [(name, INTEGER) for name in names.split()]


class LinearCall(ctypes.Structure):
    """x (rows, depth) times weight (columns, depth) transposed."""

    _fields_ = [
        *_BEGIN,
        *_integers("rows depth columns"),
        *_PARAMETERS,
        ("residual", POINTER),
        ("out", POINTER),
    ]


class GegluCall(ctypes.Structure):
    """The same with twice `width` columns, half of which gate the others."""

    _fields_ = [*_BEGIN, *_integers("rows depth width"), *_PARAMETERS, ("out", POINTER)]


class ConvolutionCall(ctypes.Structure):
    """Also of the convolution by Winograd's products."""

    _fields_ = [
        *_BEGIN,
        *_integers("batch height width channels enlarge"),
        *_integers("columns side stride padding out_height out_width"),
        *_PARAMETERS,
        ("sample", POINTER),
        ("residual", POINTER),
        ("out", POINTER),
    ]


class GroupNormCall(ctypes.Structure):
    """Normalisation of x (batch, positions, channels)."""

    _fields_ = [
        *_BEGIN,
        *_integers("batch positions channels groups silu"),
        ("eps", REAL),
        *_PARAMETERS,
        ("out", POINTER),
    ]


class LayerNormCall(ctypes.Structure):
    """Normalisation of each row of x (rows, width)."""

    _fields_ = [*_BEGIN, *_integers("rows width"), ("eps", REAL), *_PARAMETERS, ("out", POINTER)]


class ConcatenateCall(ctypes.Structure):
    """Rows of two arrays side by side."""

    _fields_ = [
        *_integers("threads rows"),
        ("first", POINTER),
        ("first_bytes", INTEGER),
        ("second", POINTER),
        ("second_bytes", INTEGER),
        ("out", POINTER),
    ]


class FiniteCall(ctypes.Structure):
    """Whether `count` numbers are all finite; `out` is an integer."""

    _fields_ = [*_BEGIN, ("count", INTEGER), ("out", POINTER)]


class AttentionCall(ctypes.Structure):
    """Tokens (batch, token, heads * head_dim); strides count elements."""

    _fields_ = [
        *_integers("threads x_type"),
        *[(name, POINTER) for name in "qkv"],
        *[(f"{name}_{of}_stride", INTEGER) for name in "qkv" for of in ("batch", "row")],
        *_integers("batch heads queries keys head_dim"),
        ("scale", REAL),
        ("out", POINTER),
    ]


Call = (
    LinearCall
    | GegluCall
    | ConvolutionCall
    | GroupNormCall
    | LayerNormCall
    | ConcatenateCall
    | FiniteCall
    | AttentionCall
)
# In the order of `kakusan_sizes`
KERNELS: dict[str, type[Call]] = {
    "linear": LinearCall,
    "geglu": GegluCall,
    "convolution": ConvolutionCall,
    "winograd": ConvolutionCall,
    "group_norm": GroupNormCall,
    "layer_norm": LayerNormCall,
    "concatenate": ConcatenateCall,
    "finite": FiniteCall,
    "attention": AttentionCall,
}


def declare(library: ctypes.CDLL) -> bool:
    """Give a library's functions their types; whether its structures are as large as these.

    Args:
        library: one that has all of `KERNELS`.
    """
    library.kakusan_sizes.argtypes = []
    library.kakusan_sizes.restype = ctypes.POINTER(INTEGER)
    library.kakusan_forget_scratch.argtypes = []
    library.kakusan_forget_scratch.restype = None
    for name, structure in KERNELS.items():
        kernel = getattr(library, f"kakusan_{name}")
        kernel.argtypes = [ctypes.POINTER(structure)]
        kernel.restype = ctypes.c_int
    sizes = [ctypes.sizeof(structure) for structure in KERNELS.values()]
    return library.kakusan_sizes()[: len(sizes) + 1] == [*sizes, 0]
