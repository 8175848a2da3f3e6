"""Differentiable augmentation: what it does to an image, and that a gradient comes back through it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from faceinpaint_fast.training.augmentation import DRAWS, augmented, blotted, coloured, shifted

STEPS = ((coloured, 3), (shifted, 2), (blotted, 2), (augmented, DRAWS))


def draws(count, numbers, seed=0):
    return torch.rand(count, numbers, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def x():
    return torch.rand(6, 3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(("step", "numbers"), STEPS)
def test_the_same_draw_gives_the_same_and_another_another(step, numbers, x):
    one, again, other = (step(x, draws(6, numbers, seed)) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert one.shape == x.shape
    # each image has a draw of its own; whole pixels may be the same by chance
    assert sum(bool((a != b).any()) for a, b in zip(one, other, strict=True)) >= 4


@pytest.mark.parametrize(("step", "numbers"), STEPS)
def test_a_gradient_comes_back(step, numbers, x):
    x = x[:1, :, :8, :8].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: step(x, draws(1, numbers)), x)


def test_images_move_by_whole_pixels_and_leave_0(x):
    """Each is found again, whole but for what went over the border, which an eighth of a side at most does."""
    moves = set()
    for image, moved in zip(x, shifted(x, draws(6, 2)), strict=True):
        padded = torch.nn.functional.pad(image, (2, 2, 2, 2))
        places = [
            (down, across)
            for down in range(5)
            for across in range(5)
            if torch.equal(padded[:, down : down + 16, across : across + 16], moved)
        ]
        assert len(places) == 1
        moves.update(places)
    assert len(moves) > 2


def test_a_square_of_half_a_side_is_blotted_out(x):
    lost = (blotted(x.abs() + 1, draws(6, 2)) == 0).all(dim=1)
    for image in lost:
        rows, columns = (image.any(dim=side).nonzero()[:, 0] for side in (1, 0))
        assert image.sum() == len(rows) * len(columns)
        # over the border it is less
        assert all(4 <= len(place) <= 8 for place in (rows, columns))
    assert (lost.sum(dim=(1, 2)) < 64).any()


def test_colours_change_alike_in_all_of_an_image(x):
    """Brightness, saturation and contrast are an affine map of the channels of each pixel."""
    found = coloured(x, draws(6, 3))
    for before, after in zip(x, found, strict=True):
        pixels = torch.cat([before.flatten(1), torch.ones(1, 256, dtype=torch.float64)]).T
        solution = torch.linalg.lstsq(pixels, after.flatten(1).T).solution
        assert_close(pixels @ solution, after.flatten(1).T)


def test_d_sees_them_changed_and_g_learns_through_that(monkeypatch):
    from faceinpaint_fast.training.game import Game, TrainConfig

    faces = np.random.default_rng(0).integers(0, 256, (8, 64, 64, 3), np.uint8)
    game = Game(faces, TrainConfig(width=2, batch=4, augment=True), torch.device("cpu"))
    seen = []
    game.D.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    monkeypatch.setattr("faceinpaint_fast.training.game.augmented", lambda x, draws: shifted(x, draws[:, 3:5]) + 1)
    before = [parameter.clone() for parameter in game.G.parameters()]
    game.play()
    # real, generated, and generated again for G's sake; what has moved out of sight is 1 now
    assert len(seen) == 3
    assert all((images == 1).any() for images in seen)
    assert any((a != b).any() for a, b in zip(before, game.G.parameters(), strict=True))
