"""Restore missing parts of face photographs by searching the latent space of a generator, fast."""

from importlib.util import find_spec

import lazy_loader

if find_spec("faceinpaint_fast._cpu") is None:
    raise ImportError(
        "faceinpaint_fast._cpu: expected the compiled extension, got none: `python -m pip install .` in the source's "
        "folder builds and installs it, `python -m pip install -e .` where it lies; a C++17 compiler is needed"
    )

# eager, since the module of the same name would otherwise take its place; nothing here imports torch
from faceinpaint_fast.weight_map import weight_map as weight_map

__version__ = "0.1.0"

# where the public names come from when they are asked for; type checkers read the same in __init__.pyi, which need not
# be there when the package runs: in a zip file, or frozen into a program
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["reference"],
    submod_attrs={
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
        "pipeline": ["Inpainter", "Inpainting"],
        "photo.restoration": ["Restoration"],
        "photo.restorer": ["Restorer"],
        "search.objective": ["context_loss", "structural_loss"],
        "weight_map": ["weight_map"],
    },
)
