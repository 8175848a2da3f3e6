"""Restore missing parts of face photographs by searching the latent space of a generator, fast."""

import lazy_loader

# eager, since the module of the same name would otherwise take its place; nothing here imports torch
from faceinpaint_fast.weight_map import weight_map as weight_map

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
