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

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
