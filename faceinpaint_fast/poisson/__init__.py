"""Poisson's equation and its relatives of fourth order on the missing pixels of images; docs/poisson.md."""

from faceinpaint_fast.poisson.biharmonic import BIHARMONIC, under_tension
from faceinpaint_fast.poisson.solver import POISSON, Equation, Solver

__all__ = ["BIHARMONIC", "POISSON", "Equation", "Solver", "under_tension"]
