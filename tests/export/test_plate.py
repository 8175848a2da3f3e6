"""The blend in pieces solves what the reference does, for any hole, and for planes of which some are solved before."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from faceinpaint_fast import InpaintConfig, masks
from faceinpaint_fast.export import plate
from faceinpaint_fast.export.onnx_file import edges
from faceinpaint_fast.reference.plate import tension_blend


def solved(images, holes, generated, tension):
    """F of images (B, C, H, W) with holes (B, H, W) by the pieces, and how many steps that took."""
    size, steps = images.shape[-1], 0
    begin, step, end = plate.Begin(size, tension), plate.Step(size, tension), plate.End()
    asked = images, holes[:, None].float(), generated
    r, p, energy, *kept = begin(*asked)
    state, goes_on = (torch.zeros_like(images), r, p, energy), True
    while goes_on and steps < plate.MOST:
        goes_on, *state = step(*state, *kept)
        steps += 1
    return end(*asked, state[0]), steps


def pictures(draw_face, size):
    """A face, and what is drawn in its place: another one, brighter."""
    image, other = (torch.from_numpy(draw_face(number, size).copy()).movedim(-1, 0) / 255 for number in (3, 4))
    return image[None], 0.8 * other[None] + 0.2


def expected(image, hole, generated, tension):
    planes = (np.moveaxis(each[0].double().numpy(), 0, -1) for each in (image, generated))
    return np.moveaxis(tension_blend(*planes, hole, tension=tension).clip(0, 1), -1, 0)


# a quarter more steps than they were, at most
@pytest.mark.parametrize(
    ("name", "size", "most"),
    [
        ("centre", 64, 35),
        ("left", 64, 35),
        ("free-form", 64, 100),
        ("drop-80", 64, 100),
        ("centre", 128, 75),
        ("drop-80", 128, 200),
    ],
)
def test_it_is_the_plate(name, size, most, draw_face):
    image, generated = pictures(draw_face, size)
    hole, tension = masks.draw(name, (size, size), seed=1), InpaintConfig().at_size(size).tension
    damaged = torch.where(torch.from_numpy(hole), torch.nan, image)
    found, steps = solved(damaged, torch.from_numpy(hole)[None], generated, tension)
    # the contract's: a hundred times the tolerance of what is corrected
    assert_allclose(found[0], expected(image, hole, generated, tension), atol=5e-4)
    assert torch.equal(found[0][:, ~hole], image[0][:, ~hole])
    assert not np.allclose(found[0], generated[0], atol=0.1)
    assert steps <= most


def test_each_image_has_its_own_hole(draw_face):
    image, generated = pictures(draw_face, 64)
    names = ("drop-20", "left", "centre")
    holes = np.stack([masks.draw(name, (64, 64), seed=5) for name in names])
    together, _ = solved(image.repeat(3, 1, 1, 1), torch.from_numpy(holes), generated.repeat(3, 1, 1, 1), 2.0)
    for found, hole in zip(together, holes, strict=True):
        assert_allclose(found, expected(image, hole, generated, 2.0), atol=5e-4)


def test_whatever_is_known(draw_face):
    image, generated = pictures(draw_face, 64)
    holes = edges((64, 64))
    found, _ = solved(
        image.repeat(3, 1, 1, 1), torch.from_numpy(np.stack([*holes.values()])), generated.repeat(3, 1, 1, 1), 2.0
    )
    of = dict(zip(holes, found, strict=True))
    assert torch.equal(of["all"], image[0])
    # with nothing to go on from T is as good as any
    assert_allclose(of["nothing"], generated[0], atol=1e-5)
    assert_allclose(of["one pixel"], expected(image, holes["one pixel"], generated, 2.0), atol=5e-3)


def test_distances_are_euclid_s():
    from scipy.ndimage import distance_transform_edt

    hole = masks.draw("free-form", (64, 64), seed=7)
    missing = torch.from_numpy(hole)[None, None].float()
    found = plate.Begin(64, 2.0)._squared_distances(missing)[0, 0]
    assert_allclose(found, distance_transform_edt(hole) ** 2, atol=1e-4)
