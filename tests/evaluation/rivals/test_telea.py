"""OpenCV's fill: the answer that is known."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose

from faceinpaint_fast import masks
from faceinpaint_fast.evaluation.rivals.telea import telea


def test_telea_restores_a_constant():
    image = np.full((1, 20, 20, 3), 0.2)
    # OpenCV takes the image's slope where the front meets itself for content: a byte or two
    assert_allclose(telea(image, masks.centre((20, 20))[None]), image, rtol=0, atol=2.5 / 255)
