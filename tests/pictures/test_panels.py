"""The steps as pictures: W, G(z^), merged gradients, their divergence; and the nine panels of Fig. 6."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast import InpaintConfig, masks, weight_map
from faceinpaint_fast.pictures.panels import panels, steps

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


def test_the_nine_panels_of_section_3_3():
    image, generated, restored = FLAT.copy(), FLAT.copy(), FLAT + np.uint8(9)
    image[2, 3:] += 50  # an edge downwards, left of one to the right
    image[HOLE] = 0
    generated[9:, 12:] = 150
    found = steps(image, HOLE, generated, restored)
    assert list(found) == [
        *(f"{name}, in x" for name in ("I", "T", "merged")),
        *(f"{name}, in y" for name in ("I", "T", "merged")),
        *("T", "divergence", "F"),
    ]
    assert all(panel.shape == HOLE.shape and panel.dtype == np.uint8 for panel in found.values())
    assert (found["T"][0, 0], found["T"][9, 12], found["F"][0, 0]) == (100, 150, 109)
    # the largest difference of all is white, or black where it falls; grey is none, as where the hole begins
    assert (found["I, in x"][2, 2], found["I, in y"][1, 5], found["I, in y"][2, 5]) == (255, 255, 0)
    assert found["I, in x"][HOLE].min() == found["I, in x"][HOLE].max() == 128
    assert (found["T, in x"][9, 11], found["T, in y"][8, 12]) == (255, 255)
    # T's in the hole, I's elsewhere
    for way in ("x", "y"):
        of_i, of_t, merged = (found[f"{name}, in {way}"] for name in ("I", "T", "merged"))
        assert_array_equal(merged[HOLE], of_t[HOLE])
        assert_array_equal(merged[:5], of_i[:5])
    assert found["divergence"][10, 11] > 128 > found["divergence"][10, 12]
    assert all(panel.max() < 129 for name, panel in steps(FLAT, HOLE, FLAT, FLAT).items() if "," in name)
