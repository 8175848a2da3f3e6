"""Poisson's equation and the biharmonic one on the missing pixels of images; docs/poisson.md."""

from faceinpaint_fast.poisson.biharmonic import BIHARMONIC
from faceinpaint_fast.poisson.solver import POISSON, Equation, Solver

__all__ = ["BIHARMONIC", "POISSON", "Equation", "Solver"]
