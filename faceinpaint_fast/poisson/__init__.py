"""Poisson's equation on the missing pixels of an image, with the known ones as boundary."""

from faceinpaint_fast.poisson.solver import PoissonSolver

__all__ = ["PoissonSolver"]
