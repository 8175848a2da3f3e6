"""Weights, search and blend together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.reference import Inpainter, biharmonic_blend, poisson_blend, search, tension_blend

Networks = tuple[nn.Module, nn.Module]

CONFIG = InpaintConfig(iterations=5, blend="poisson")


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    """Noise of such contrast that a blend leaves [0, 1]."""
    return (2 * rng.random((2, 16, 16, 3)) - 0.5).clip(0, 1)


@pytest.fixture
def holes() -> np.ndarray:
    result = np.zeros((2, 16, 16), bool)
    result[0, 4:12, 4:12] = True
    result[1, :, :8] = True
    return result


def test_the_parts_in_their_order(networks: Networks, images: np.ndarray, holes: np.ndarray) -> None:
    G, D = networks
    result = Inpainter(G, D, config=CONFIG)(images, holes, seed=[3, 4])
    found = search(G, D, torch.tensor(images).movedim(-1, 1), holes, CONFIG, seed=[3, 4])
    assert_array_equal(result.z, found.z)
    assert_array_equal(result.generated, found.generated.movedim(1, -1))
    with torch.no_grad():
        assert_allclose(result.generated, (G.eval()(found.z).movedim(1, -1) + 1) / 2, rtol=1e-12)
    blended = poisson_blend(images, result.generated, holes)
    assert blended.min() < 0
    assert blended.max() > 1
    assert_array_equal(result.image, blended.clip(0, 1))
    for name, loss in result.losses.items():
        assert_array_equal(loss, found.losses[name][-1])


def test_known_pixels_come_back_bit_for_bit(networks: Networks, images: np.ndarray, holes: np.ndarray) -> None:
    images[holes] = np.nan
    result = Inpainter(*networks, config=CONFIG)(images, holes)
    assert_array_equal(result.image[~holes], images[~holes])
    assert np.isfinite(result.image).all()


def test_without_a_blend_the_hole_is_what_was_generated(
    networks: Networks, images: np.ndarray, holes: np.ndarray
) -> None:
    result = Inpainter(*networks, config=replace(CONFIG, blend="none"))(images, holes[0])
    assert_array_equal(result.image[:, ~holes[0]], images[:, ~holes[0]])
    assert_array_equal(result.image[:, holes[0]], result.generated[:, holes[0]])


def test_a_biharmonic_blend_is_that_of_what_was_generated(
    networks: Networks, images: np.ndarray, holes: np.ndarray
) -> None:
    result = Inpainter(*networks, config=replace(CONFIG, blend="biharmonic"))(images, holes)
    assert_array_equal(result.image, biharmonic_blend(images, result.generated, holes).clip(0, 1))


def test_a_blend_under_tension_has_the_config_s_tension(
    networks: Networks, images: np.ndarray, holes: np.ndarray
) -> None:
    result = Inpainter(*networks, config=replace(CONFIG, blend="tension", tension=3.0))(images, holes)
    # of faces of 64 pixels, and these have 16
    assert_array_equal(result.image, tension_blend(images, result.generated, holes, tension=48.0).clip(0, 1))


def test_one_image_is_a_batch_of_one(networks: Networks, images: np.ndarray, holes: np.ndarray) -> None:
    inpainter = Inpainter(*networks, config=CONFIG)
    one, batch = inpainter(images[1], holes[1], seed=8), inpainter(images[1:], holes[1:], seed=[8])
    assert one.image.shape == one.generated.shape == (16, 16, 3)
    assert one.z.shape == (6,)
    for name in ("image", "generated", "z"):
        assert_array_equal(getattr(one, name), getattr(batch, name)[0])
    assert {name: loss.tolist() for name, loss in one.losses.items()} == {
        name: loss.tolist()[0] for name, loss in batch.losses.items()
    }


def test_uint8_is_a_255th(networks: Networks, images: np.ndarray, holes: np.ndarray) -> None:
    pixels = (255 * images).astype(np.uint8)
    inpainter = Inpainter(*networks, config=CONFIG)
    assert_array_equal(inpainter(pixels, holes).image, inpainter(pixels / 255, holes).image)


def test_computes_in_the_dtype_of_the_networks(networks: Networks, images: np.ndarray, holes: np.ndarray) -> None:
    single = Inpainter(*(network.float() for network in networks), config=CONFIG)(images, holes)
    assert single.z.dtype == np.float32
    assert single.image.dtype == np.float64
    assert_array_equal(single.image[~holes], images[~holes])


def test_an_empty_hole_gives_the_image_back(networks: Networks, images: np.ndarray) -> None:
    result = Inpainter(*networks, config=CONFIG)(images, np.zeros((16, 16), bool))
    assert_array_equal(result.image, images)


@pytest.mark.parametrize("blend", ["poisson", "biharmonic", "tension", "none"])
def test_an_image_without_a_known_pixel_is_refused(
    blend: str, networks: Networks, images: np.ndarray, holes: np.ndarray
) -> None:
    holes[1] = True
    with pytest.raises(ValueError, match="at least one known pixel"):
        Inpainter(*networks, config=replace(CONFIG, blend=blend))(images, holes)
