"""DIP against Yeh et al.'s formulas, written out in eager torch, and what it restores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.testing import assert_close

from faceinpaint_fast import masks, poisson_blend
from faceinpaint_fast.evaluation.metrics import quality
from faceinpaint_fast.evaluation.rivals.dip import DIP, context_weights
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import load_model
from faceinpaint_fast.search.loop import loss_and_gradient
from faceinpaint_fast.search.objective import Objective
from faceinpaint_fast.search.optimisers import ATTEMPTS
from faceinpaint_fast.search.prior import Prior
from faceinpaint_fast.search.starts import codes

SHAPE = 64, 64
HOLES = np.stack([masks.draw(name, SHAPE, seed=3) for name in ("centre", "left", "drop-80", "free-form")])


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture
def faces():
    face = astronaut(CELEBA_108, 64) / 255
    return np.stack([face, face[:, ::-1], face[::-1], 1 - face])


def weights_by_definition(hole):
    """W_i = sum over j in N(i) of (1 - M_j) / |N(i)| where M_i = 1, else 0; pixel by pixel."""
    W = np.zeros(hole.shape)
    for row, column in np.argwhere(~hole):
        neighbours = hole[max(row - 3, 0) : row + 4, max(column - 3, 0) : column + 4]
        W[row, column] = neighbours.sum() / neighbours.size
    return W


def yeh(model, z, faces, holes):
    """L_c + lambda L_p and its gradient in z, by autograd, in float64."""
    G, D = model.generator.double(), model.discriminator.double()
    W = torch.tensor(np.stack([weights_by_definition(hole) for hole in holes]))[:, None]
    y = torch.tensor(np.where(holes[..., None], 0, faces)).movedim(-1, 1) * 2 - 1
    z = z.double().requires_grad_()
    x = G(z)
    context = (W * (x - y)).abs().sum(dim=(1, 2, 3))
    prior = torch.log(1 - torch.sigmoid(D(x)))
    loss = context + 0.003 * prior
    (gradient,) = torch.autograd.grad(loss.sum(), z)
    return loss.detach(), gradient


def aims(dip, faces, holes):
    """The objective and the prior of what is asked."""
    problem, config = dip.problem(faces, holes), dip.search.config
    return Objective(problem, dip.search.networks.discriminator, config), Prior.of(problem, config)


def test_weights_by_hand():
    hole = np.zeros((9, 9), bool)
    hole[0, 0] = hole[0, 1] = True
    W = context_weights(hole[None])[0]
    assert W.dtype == np.float32
    # neighbourhoods are clipped at the border: 4x6 pixels around (0, 2), 5x4 around (1, 0), 7x7 around (3, 3)
    expected = {(0, 0): 0, (0, 1): 0, (0, 2): 2 / 24, (0, 3): 2 / 28, (0, 4): 1 / 28, (0, 5): 0, (1, 0): 2 / 20}
    expected |= {(3, 3): 2 / 49, (3, 4): 1 / 49, (3, 5): 0, (4, 0): 0, (8, 8): 0}
    for place, weight in expected.items():
        assert W[place] == pytest.approx(weight, rel=1e-6), place


def test_weights_are_those_of_the_definition(rng):
    holes = np.concatenate([HOLES, rng.random((1, *SHAPE)) < 0.02])
    # one rounding of a quotient of whole numbers
    assert_allclose(context_weights(holes), [weights_by_definition(hole) for hole in holes], rtol=1e-6, atol=0)


def test_loss_and_gradient_are_yeh_s(model, faces):
    """The last hole has no pixel: W is 0 there, and what is left is the prior, some 1e-5 of the loss elsewhere."""
    faces, holes = faces[[0, 1, 2, 3, 0]], np.concatenate([HOLES, np.zeros((1, *SHAPE), bool)])
    dip = DIP(model.generator, model.discriminator, device="cpu")
    z = codes([1, 2, 3, 4, 5], 1, model.generator.latent_size, 1)[0]
    loss, gradient = loss_and_gradient(dip.search.networks.generator, z, *aims(dip, faces, holes))
    expected, expected_gradient = yeh(load_model(), z, faces, holes)
    # float32 against float64, through ten layers; a kink of ReLU may lie between the two
    assert_close(loss.double(), expected, rtol=1e-5, atol=0)
    scale = expected_gradient.abs().amax(dim=1, keepdim=True)
    assert_close(gradient.double() / scale, expected_gradient / scale, rtol=0, atol=1e-4)


def test_a_generated_face_is_found_again(model):
    """Holes in what G drew itself: what the search looks for exists."""
    z = torch.from_numpy(np.random.default_rng(7).standard_normal((2, model.generator.latent_size))).float()
    truth = (model.generator(z).movedim(1, -1).double().numpy() + 1) / 2
    holes, seeds = HOLES[[0, 2]], [11, 12]
    dip = DIP(model.generator, model.discriminator, iterations=100, precision="bf16", device="cpu")
    restored = dip(truth, holes, seeds)
    assert restored.dtype == np.float64
    assert_array_equal(restored[~holes], truth[~holes])
    loop = dip.search.over_z.loop(*aims(dip, truth, holes), codes(seeds, 1, 100, ATTEMPTS))
    z, losses, _ = loop.iterate(lambda _: None)
    assert z.abs().max() == 1
    # measured: 7.7 and 9.3 times less, and 4 dB more than a smooth fill has in the hole
    assert (losses[0] / losses[-1] > 5).all()
    for image, original, hole in zip(restored, truth, holes, strict=True):
        smooth = quality(poisson_blend(original, np.zeros_like(original), hole), original, hole)
        assert quality(image, original, hole).hole_psnr > smooth.hole_psnr + 3


def test_what_the_hole_contains_does_not_matter(model, faces):
    dip = DIP(model.generator, model.discriminator, iterations=3, device="cpu")
    expected = dip(faces, HOLES, [1, 2, 3, 4])
    assert_array_equal(dip(np.where(HOLES[..., None], np.nan, faces), HOLES, [1, 2, 3, 4]), expected)
    assert np.isfinite(expected).all()
    assert expected.min() >= 0
    assert expected.max() <= 1


def test_an_image_does_not_depend_on_its_neighbours(model, faces):
    dip = DIP(model.generator, model.discriminator, iterations=3, device="cpu")
    found = dip(faces, HOLES, [1, 2, 3, 4])
    others = dip(faces[[3, 1, 1, 0]], HOLES[[3, 2, 0, 0]], [4, 7, 8, 1])
    assert_array_equal(others[[3, 0]], found[[0, 3]])
    # the seed does matter
    assert (others[1] != found[1]).any()
