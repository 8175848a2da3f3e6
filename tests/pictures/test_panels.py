"""The panels of Fig. 6: W, G(z^), merged gradients, their divergence."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast import InpaintConfig, masks, weight_map
from faceinpaint_fast.pictures.panels import panels

HOLE = masks.centre((20, 24), 8)
FLAT = np.full((20, 24, 3), 100, np.uint8)


def test_weights_go_from_black_to_white():
    config = InpaintConfig()
    found = panels(FLAT, HOLE, FLAT, config)["weights"]
    W = weight_map(HOLE, k=config.k, alpha=config.alpha)
    assert_array_equal(found, np.round(255 * (W - 1) / config.alpha))
    assert (found.min(), found.max()) == (0, 255)
    assert panels(FLAT, HOLE, FLAT, InpaintConfig(alpha=0.0))["weights"].max() == 0


def test_a_flat_image_has_neither_gradients_nor_divergence():
    found = panels(FLAT, HOLE, FLAT, InpaintConfig())
    assert_array_equal(found["generated"], FLAT)
    assert found["gradients"].max() == 0
    assert_array_equal(found["divergence"], np.full(HOLE.shape, 128))


@pytest.mark.parametrize("where", ["hole", "known"])
def test_gradients_are_the_source_s_in_the_hole_and_the_target_s_elsewhere(where):
    image, generated = FLAT.copy(), FLAT.copy()
    inside, outside = (9, 12), (2, 3)
    changed = generated if where == "hole" else image
    # of each, only one of the two points shows
    changed[inside], changed[outside] = 250, 250
    found = panels(image, HOLE, generated, InpaintConfig())
    shown, hidden = (inside, outside) if where == "hole" else (outside, inside)
    assert found["gradients"][shown] == 255
    assert found["gradients"][hidden] == 0
    # the divergence of a bright point is negative there
    assert found["divergence"][shown] == 0
    assert found["divergence"][hidden] == 128
