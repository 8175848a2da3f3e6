"""PatchMatch: textures that repeat themselves, the field against brute force, and whose randomness it is."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import masks
from faceinpaint_fast.evaluation.metrics import quality
from faceinpaint_fast.evaluation.rivals.harmonic import harmonic
from faceinpaint_fast.evaluation.rivals.patchmatch import FILLED, ROUNDS, SIDE, STRIDES, PatchSearch, patchmatch
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108


def texture(name, size=48):
    y, x = np.mgrid[:size, :size]
    light = {
        "rows": y % 6 < 3,
        "columns": x % 4 < 2,
        "diagonals": (x + y) % 6 < 2,
        "chequerboard": (x // 3 + y // 3) % 2 == 0,
    }[name]
    return np.where(light[..., None], [0.9, 0.6, 0.2], [0.1, 0.3, 0.5])


@pytest.mark.parametrize("name", ["rows", "columns", "diagonals", "chequerboard"])
def test_a_texture_is_restored(name):
    image = texture(name)
    hole = masks.centre((48, 48), 14)
    found = patchmatch(image[None], hole[None], seeds=[0])[0]
    assert quality(found, image, hole).hole_psnr > 35


def test_a_texture_larger_than_a_patch_is_restored_from_the_coarser_scales():
    y, x = np.mgrid[:64, :64]
    image = np.where(((x // 8 + y // 8) % 2 == 0)[..., None], [0.9, 0.6, 0.2], [0.1, 0.3, 0.5])
    hole = masks.centre((64, 64), 28)
    found = patchmatch(image[None], hole[None], seeds=[0])[0]
    # searched at one scale alone it has 10 dB
    assert quality(found, image, hole).hole_psnr > 35


def test_a_copy_restores_itself(rng):
    """Noise resembles nothing but its own copy, in which there is a hole."""
    image = rng.random((48, 48, 3))
    image[26:46, 24:44] = image[3:23, 2:22]
    hole = np.zeros((48, 48), np.bool_)
    hole[33:39, 31:37] = True
    found = patchmatch(image[None], hole[None], seeds=[0])[0]
    assert quality(found, image, hole).hole_psnr > 35


def brute_force(image, hole):
    """Of every patch that touches the hole, the least distance to one that is wholly known: row by row."""
    rows, columns = hole.shape[0] - SIDE + 1, hole.shape[1] - SIDE + 1
    corners = [np.s_[y : y + SIDE, x : x + SIDE] for y in range(rows) for x in range(columns)]
    known = np.stack([image[at] for at in corners if not hole[at].any()]).reshape(-1, 3 * SIDE**2)
    least = []
    for at in corners:
        if hole[at].any():
            weight = np.where(hole[at], FILLED, 1).repeat(3)
            squares = (known - image[at].ravel()) ** 2
            least.append((squares @ weight).min() * 3 / weight.sum())
    return np.array(least)


@pytest.mark.parametrize("name", ["centre", "left", "free-form"])
def test_the_field_is_close_to_brute_force(name):
    face, hole = astronaut(CELEBA_108, 64) / 255, masks.draw(name, (64, 64), 1)
    image = harmonic(face[None], hole[None])[0].astype(np.float32)
    search = PatchSearch(image, hole, np.random.default_rng(0))
    for _ in range(ROUNDS[-1]):
        for stride in STRIDES:
            search.sweep(stride)
    least = brute_force(image, hole)
    assert (search.distance >= least * (1 - 1e-4)).all()
    assert search.distance.mean() < 1.1 * least.mean()


def test_patches_that_are_wholly_known_alone_are_copied():
    face, hole = astronaut(CELEBA_108, 64) / 255, masks.centre((64, 64))
    search = PatchSearch(face.astype(np.float32), hole, np.random.default_rng(0))
    search.sweep(1)
    rows, columns = np.divmod(search.match[search.targets], 64 - SIDE + 1)
    for y, x in zip(rows, columns, strict=True):
        assert not hole[y : y + SIDE, x : x + SIDE].any()


@pytest.mark.parametrize("name", ["rows", "diagonals"])
def test_a_texture_is_found_under_scattered_holes(name):
    """Where no patch is wholly known, known pixels make up what is copied: present fills alike have 25 to 27 dB."""
    image, hole = texture(name), masks.random_pixels((48, 48), 0.6, seed=1)
    found = patchmatch(image[None], hole[None], seeds=[0])[0]
    assert quality(found, image, hole).hole_psnr > 29


def test_under_scattered_holes_a_few_whole_patches_do_not_make_up_the_face():
    face, hole = astronaut(CELEBA_108, 64) / 255, masks.draw("drop-60", (64, 64), 2)
    hole[:9, :9] = False
    assert quality(patchmatch(face[None], hole[None], seeds=[0])[0], face, hole).hole_psnr > LEAST["drop-60"]


def test_no_patch_is_matched_with_itself(rng):
    image, hole = rng.random((10, 10, 3)).astype(np.float32), rng.random((10, 10)) < 0.5
    search = PatchSearch(image, hole, rng)
    search.sweep(1)
    assert (search.match[search.targets] != search.targets).all()
    assert (search.distance > 0).all()


def test_a_match_that_is_unlike_hardly_votes():
    image, hole = texture("rows").astype(np.float32), masks.centre((48, 48), 14)
    search = PatchSearch(image, hole, np.random.default_rng(0))
    for stride in (*STRIDES, *STRIDES):
        search.sweep(stride)
    # one in eight is three rows off, where dark is light
    odd, three_rows = search.targets[::8], 3 * (48 - SIDE + 1)
    match = search.match[odd]
    search.match[odd] = np.where(match < three_rows, match + three_rows, match - three_rows)
    search.distance[::8] = 0.3
    search.vote()
    assert_allclose(search.image, image, rtol=0, atol=0.01)


# dB in the hole, 1 to 1.5 below what three seeds gave; the mean of the known pixels has 12 to 13
LEAST = {"drop-20": 26, "drop-40": 25, "drop-60": 23, "drop-80": 21, "free-form": 18, "centre": 14}


@pytest.mark.parametrize(("name", "least"), LEAST.items(), ids=LEAST)
def test_a_face_is_restored_from_what_there_is(name, least):
    face, hole = astronaut(CELEBA_108, 64) / 255, masks.draw(name, (64, 64), 2)
    assert quality(patchmatch(face[None], hole[None], seeds=[0])[0], face, hole).hole_psnr > least


@pytest.mark.parametrize("shape", [(3, 40), (7, 7), (1, 9), (33, 8)])
def test_images_smaller_than_a_patch_are_filled(shape, rng):
    image, hole = np.full((1, *shape, 3), 0.4), rng.random((1, *shape)) < 0.5
    # it starts from the harmonic fill, which is exact to a residual of 1e-5
    assert_allclose(patchmatch(image, hole, seeds=[0]), image, rtol=0, atol=1e-5)


def test_an_image_follows_its_own_seed_whatever_is_beside_it():
    face = astronaut(CELEBA_108, 64)[::2, ::2] / 255
    faces = np.stack([face, face[:, ::-1], face])
    holes = np.stack([masks.draw(name, (32, 32), 1) for name in ("centre", "drop-60", "centre")])
    found = patchmatch(faces, holes, seeds=[1, 2, 3])
    assert_array_equal(patchmatch(faces, holes, seeds=[1, 2, 3]), found)
    for i in range(3):
        assert_array_equal(patchmatch(faces[i : i + 1], holes[i : i + 1], seeds=[i + 1])[0], found[i])
    assert (found[0] != found[2]).any()
