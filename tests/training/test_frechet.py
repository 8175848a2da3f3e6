"""Frechet distance: of Gaussians whose answer is known, of features, and of models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scipy.linalg import sqrtm
from scipy.stats import ortho_group

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.training import frechet as module
from faceinpaint_fast.training.frechet import colours, distance, frechet, shapes

CPU = torch.device("cpu")
# float64, sums of a few thousand terms of order 1
EXACT = {"rtol": 1e-10, "atol": 1e-12}


# --------------------------------------------------------------------------------------------------------- of Gaussians


@pytest.fixture
def features(rng):
    """Correlated, of a mean that is not 0: (300, 6)."""
    return rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6)) + rng.normal(size=6)


def test_of_a_shift_is_its_square(features, rng):
    shift = rng.normal(size=6)
    assert_allclose(distance(features, features + shift), shift @ shift, **EXACT)


@pytest.mark.parametrize("scale", [0.0, 0.5, 3.0])
def test_of_a_scale_is_what_the_standard_deviations_differ(features, scale):
    mean = features.mean(axis=0)
    expected = (scale - 1) ** 2 * np.trace(np.cov(features.T))
    assert_allclose(distance(features, mean + scale * (features - mean)), expected, **EXACT)


def test_of_a_set_to_itself_is_0_in_any_order(features, rng):
    assert_allclose(distance(features, rng.permutation(features)), 0, atol=1e-12)


def test_of_covariances_that_commute_is_that_of_their_roots(rng):
    """sum (sqrt a - sqrt b)^2 of eigenvalues a, b, two of which are 0 or far smaller than others."""
    a, b = np.array([4.0, 1.0, 0.25, 1e-8, 0.0]), np.array([1.0, 9.0, 0.0, 4e-8, 1e-12])
    axes = ortho_group.rvs(5, random_state=3)

    def spread(variances, count):
        white = rng.normal(size=(count, 5))
        white = np.linalg.qr(white - white.mean(axis=0))[0] * np.sqrt(count - 1)
        return (white * np.sqrt(variances)) @ axes.T

    expected = np.sum((np.sqrt(a) - np.sqrt(b)) ** 2)
    # sets of unlike size: each covariance has a divisor of its own
    assert_allclose(distance(spread(a, 40), spread(b, 70)), expected, **EXACT)


def test_of_any_covariances_is_the_formula_from_either_side(features, rng):
    other = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6))
    apart = features.mean(axis=0) - other.mean(axis=0)
    one, two = np.cov(features.T), np.cov(other.T)
    expected = apart @ apart + np.trace(one + two - 2 * sqrtm(one @ two).real)
    # the root of a product that is not symmetric costs sqrtm some digits
    assert_allclose(distance(features, other), expected, rtol=1e-8)
    assert_allclose(distance(other, features), distance(features, other), **EXACT)


# --------------------------------------------------------------------------------------------------------- of features


def test_features_of_one_colour():
    plain = np.broadcast_to(np.uint8([255, 51, 0]), (2, 64, 64, 3))
    assert_array_equal(shapes(plain), np.zeros((2, 144)))
    assert_allclose(colours(plain), np.tile([1, 0.2, 0], (2, 64)), **EXACT)


def test_colours_are_means_of_tiles():
    image = np.zeros((1, 64, 64, 3), np.uint8)
    # a quarter of the tile in row 2, column 5
    image[0, 16:20, 40:44, 1] = 204
    expected = np.zeros((8, 8, 3))
    expected[2, 5, 1] = 0.2
    assert_allclose(colours(image), expected.reshape(1, -1), **EXACT)


@pytest.mark.parametrize(("upright", "angle"), [(True, 0), (False, 4)])
def test_shapes_are_angles_of_gradients_in_cells(upright, angle):
    """Stripes in the cell of row 1, column 2; angles are 20 degrees each, from a gradient along a row on."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[20:28, 36:44] = 200 * (np.arange(8) // 2 % 2)[None, :, None]
    if not upright:
        image[16:32, 32:48] = image[16:32, 32:48].swapaxes(0, 1)
    found = shapes(image[None]).reshape(4, 4, 9)
    assert_array_equal(shapes(image[None] + 50).reshape(4, 4, 9), found)
    assert found[1, 2].argmax() == angle
    # the ends of the stripes have gradients too; of nine angles alike each would have a third
    assert found[1, 2, angle] > 0.6
    found[1, 2] = 0
    assert_array_equal(found, 0)


# ----------------------------------------------------------------------------------------------------------- of models


class Copier(torch.nn.Module):
    """Draws the pictures that it was given, one after the other and round again."""

    latent_size = 1

    def __init__(self, pictures):
        super().__init__()
        # 0.3 of a grey level off, which 8 bits forget
        self.pictures, self.drawn = (torch.from_numpy(pictures).movedim(-1, 1) - 0.3) / 127.5 - 1, 0

    def forward(self, z):
        chosen = torch.arange(self.drawn, self.drawn + len(z)) % len(self.pictures)
        self.drawn += len(z)
        return self.pictures[chosen]


@pytest.fixture(scope="module")
def held_out():
    """A face turned, moved and lit in many ways, as few as will do and a pair more: (388, 64, 64, 3) uint8."""
    rng, face = np.random.default_rng(5), Image.fromarray(astronaut(CELEBA_108, 64))
    angles, moves, lights = rng.normal(0, 8, 388), rng.normal(0, 3, (388, 2)), rng.uniform(0.6, 1, (388, 1, 1, 3))
    turned = [
        np.asarray(face.rotate(angle, Image.Resampling.BILINEAR, translate=tuple(move)))
        for angle, move in zip(angles, moves, strict=True)
    ]
    return np.uint8(turned * lights)


def test_a_model_that_draws_one_half_is_as_far_as_the_other_half_is(held_out):
    heard = []
    even, odd = held_out[::2], held_out[1::2]
    found = frechet(Copier(even), held_out, samples=2 * 194 + 193, device=CPU, progress=heard.append)
    assert {key: found[key] for key in ("images", "samples", "set", "seed")} == {
        "images": 388,
        "samples": 388,
        "set": 194,
        "seed": 0,
    }
    assert heard == [*range(64, 388, 64), 388]
    for name, features in (("hog", shapes), ("colour", colours)):
        expected = distance(features(even), features(odd))
        assert expected > 0.01
        assert_allclose(found[f"{name}_real"], expected, **EXACT)
        # 0 from the half that it draws
        assert_allclose(found[name], expected / 2, **EXACT)


def test_sets_are_of_one_size_where_samples_are_fewer_than_half_of_the_images(held_out):
    found = frechet(Copier(held_out[1:386:2]), held_out, samples=193, device=CPU)
    assert (found["images"], found["samples"], found["set"]) == (386, 193, 193)
    expected = distance(colours(held_out[:386:2]), colours(held_out[1:386:2]))
    assert_allclose(found["colour_real"], expected, **EXACT)
    assert_allclose(found["colour"], expected / 2, **EXACT)


def test_noise_and_an_untrained_model_are_further_than_faces_are(held_out, generator, rng):
    noise = rng.integers(0, 256, (193, 64, 64, 3), dtype=np.uint8)
    for samples in (Copier(noise), generator):
        found = frechet(samples, held_out, samples=193, device=CPU)
        assert found["hog"] > 2 * found["hog_real"]
        assert found["colour"] > 2 * found["colour_real"]


def test_samples_are_the_seeds(faces, generator, monkeypatch):
    monkeypatch.setattr(module, "LEAST", 4)
    one, again, other = (frechet(generator, faces, samples=8, seed=seed, device=CPU) for seed in (1, 1, 2))
    assert one == again
    assert other["seed"] == 2
    assert other["hog_real"] == one["hog_real"]
    assert other["hog"] != one["hog"]


@pytest.mark.parametrize(("images", "samples"), [(385, 193), (386, 192)])
def test_too_few_for_a_covariance(held_out, generator, images, samples):
    with pytest.raises(InputError, match=f"expected >= 386 faces and >= 193 samples, got {images} and {samples}"):
        frechet(generator, held_out[:images], samples=samples, device=CPU)
