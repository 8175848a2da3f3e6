"""The five-point Laplacian on the missing pixels:  (A f)_p = sum over the neighbours q of p of (f_p - f_q).

Known neighbours are Dirichlet points and stand on the right-hand side; beyond the image border there is no
neighbour, hence no flux.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse
from numpy.typing import NDArray


def laplacian(hole: NDArray[np.bool_]) -> scipy.sparse.csc_array:
    """A, (N, N) float64, of the N missing pixels of a hole (H, W), in row-major order; symmetric.

    Positive definite as soon as one pixel is known: the grid is connected, so every part of the hole touches one.
    """
    number = np.cumsum(hole.ravel()).reshape(hole.shape) - 1
    pairs = []
    for ahead, behind in ((np.s_[1:, :], np.s_[:-1, :]), (np.s_[:, 1:], np.s_[:, :-1])):
        both = hole[ahead] & hole[behind]
        pairs.append((number[ahead][both], number[behind][both]))
    p, q = (np.concatenate(side) for side in zip(*pairs, strict=True))
    neighbours = scipy.sparse.coo_array((np.ones(len(p)), (p, q)), shape=(hole.sum(),) * 2)
    degrees = scipy.sparse.diags_array(neighbour_sum(np.ones(hole.shape))[hole])
    return scipy.sparse.csc_array(degrees - neighbours - neighbours.T)


def neighbour_sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """At each pixel, the sum of `values` (H, W, ...) over its neighbours within the image."""
    total = np.zeros_like(values)
    total[1:] += values[:-1]
    total[:-1] += values[1:]
    total[:, 1:] += values[:, :-1]
    total[:, :-1] += values[:, 1:]
    return total
