"""Restore missing parts of face photographs by searching the latent space of a generator, fast."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

if find_spec("faceinpaint_fast._cpu") is None:
    raise ImportError(
        "faceinpaint_fast._cpu: expected the compiled extension, got none: `python -m pip install .` in the source's "
        "folder builds and installs it, `python -m pip install -e .` where it lies; a C++17 compiler is needed"
    )

# eager, since the module of the same name would otherwise take its place; nothing here imports torch
from faceinpaint_fast.weight_map import weight_map as weight_map

__version__ = "0.1.0"

# where the public names come from when they are asked for; type checkers read the same in __init__.pyi
_MODULES = {
    "blend.doors": [
        "BiharmonicSolver",
        "PoissonSolver",
        "TensionSolver",
        "biharmonic_blend",
        "poisson_blend",
        "tension_blend",
    ],
    "config": ["InpaintConfig", "Normalization", "Stage"],
    "errors": ["InputError", "ModelError"],
    "ops": ["ssim", "weighted_l1"],
    "photo.restoration": ["Restoration"],
    "photo.restorer": ["Restorer"],
    "pipeline": ["Inpainter", "Inpainting"],
    "search.objective": ["context_loss", "structural_loss"],
    "weight_map": ["weight_map"],
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted([*_MODULE_OF, "reference"])


def __getattr__(name: str) -> Any:
    if name == "reference":
        return import_module(f"{__name__}.reference")
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # kept, so that the next one who asks finds it at once
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return __all__
