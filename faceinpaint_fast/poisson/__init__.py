"""Poisson's equation on the missing pixels of images, with the known ones as boundary; docs/poisson.md."""

from faceinpaint_fast.poisson.solver import Solver

__all__ = ["Solver"]
