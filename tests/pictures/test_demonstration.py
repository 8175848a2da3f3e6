"""The shipped model and the demonstration: the method restores a real face."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast import InpaintConfig, Inpainter, masks, poisson_blend, reference
from faceinpaint_fast.evaluation.metrics import quality
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import SHIPPED, load_model
from faceinpaint_fast.pictures.contact_sheet import contact_sheet
from faceinpaint_fast.pictures.demonstration import COLUMNS, demo_sheet, restore_kinds


@pytest.fixture(scope="module")
def face():
    return astronaut(CELEBA_108, 64)


@pytest.fixture(scope="module")
def rows(face):
    return restore_kinds(Inpainter.from_pretrained(device="cpu"), face)


def test_the_face_is_framed_as_the_training_data(face):
    face = face / 255
    assert face.shape == (64, 64, 3)
    # pupils where CelebA has them, at about (20, 33) and (43, 33): darker than the cheeks below by far
    for column in (20, 43):
        assert face[32:35, column - 1 : column + 2].mean() < face[42:45, column - 1 : column + 2].mean() - 0.25


def test_large_holes_are_restored_with_more_structure_than_a_smooth_fill_has(face, rows):
    assert [row.name for row in rows] == list(masks.KINDS)
    for row in rows:
        assert_array_equal(row.inpainting.image[~row.hole], face[~row.hole])
        smooth = quality(poisson_blend(face, np.zeros_like(face), row.hole) / 255, face / 255, row.hole)
        if row.name == "centre":
            assert row.quality.hole_psnr > smooth.hole_psnr
            assert row.quality.hole_ssim > smooth.hole_ssim + 0.1
        elif row.name == "left half":
            # of half a face there are many, so one that is plausible need not be near the original in PSNR
            assert row.quality.hole_ssim > smooth.hole_ssim + 0.03
        else:
            # near known pixels interpolation is as good as any generator of 64x64
            assert row.quality.hole_ssim > smooth.hole_ssim - 0.1


def test_the_sheet_shows_every_row(face, rows):
    sheet = demo_sheet(face, rows)
    height, width = 28 + (28 + 3 * 64 + 12) * len(masks.KINDS), 12 + (3 * 64 + 12) * len(COLUMNS)
    assert sheet.shape == (height, width, 3)
    # the last column is the original, enlarged threefold, in every row
    original = face.repeat(3, axis=0).repeat(3, axis=1)
    for j in range(len(masks.KINDS)):
        top = 28 + (28 + 3 * 64 + 12) * j + 28
        assert_array_equal(sheet[top : top + 192, -204:-12], original)


def test_a_contact_sheet_has_labels(rng):
    picture = rng.integers(0, 255, (8, 8, 3), np.uint8)
    with_names = contact_sheet(["one", "two"], {"row": [picture, picture]})
    without = contact_sheet(["", ""], {"": [picture, picture]})
    assert with_names.shape == without.shape
    assert (with_names != without).any()


@pytest.mark.parametrize(("size", "scale"), [(32, 6), (64, 3), (100, 1), (128, 1), (256, 1)])
def test_pictures_of_any_size_are_shown_about_as_large(rng, size, scale):
    picture = rng.integers(0, 255, (size, size, 3), np.uint8)
    sheet = contact_sheet(["one"], {"row": [picture]})
    assert sheet.shape == (28 + 28 + scale * size + 12, 12 + scale * size + 12, 3)
    enlarged = picture.repeat(scale, axis=0).repeat(scale, axis=1)
    assert_array_equal(sheet[56 : 56 + scale * size, 12 : 12 + scale * size], enlarged)


def test_shipped_weights_are_small_calibrated_and_described():
    sizes = {path.name: path.stat().st_size for path in SHIPPED.iterdir()}
    assert sizes["generator.safetensors"] + sizes["discriminator.safetensors"] <= 16e6
    assert sizes["encoder.safetensors"] <= 8e6
    model = load_model()
    assert model.config.normalization is not None
    card = (SHIPPED / "README.md").read_text()
    for fact in ("CelebA", "research", "faceinpaint train", "seed", str(model.config.training["images"])):
        assert fact in card, fact
    for digest in model.config.sha256.values():
        assert len(digest) == 64


def test_the_same_bits_with_other_neighbours_and_in_another_order():
    """On the shipped model, whose sums are long enough to notice another order of summation."""
    inpainter = Inpainter.from_pretrained(config=InpaintConfig(iterations=3), device="cpu")
    face = astronaut(CELEBA_108, 64)
    faces = np.stack([face, face[:, ::-1], 255 - face])
    holes = np.stack([masks.draw(name, (64, 64)) for name in ("centre", "left", "drop-80")])
    found = inpainter(faces, holes, seed=[1, 2, 3])
    turned = inpainter(faces[[2, 0, 1]], holes[[2, 0, 1]], seed=[3, 1, 2])
    assert_array_equal(turned.z[[1, 2, 0]], found.z)
    assert_array_equal(turned.image[[1, 2, 0]], found.image)
    others = inpainter(np.stack([faces[0], faces[0], faces[0]]), holes[[0, 2, 2]], seed=[1, 7, 7])
    assert_array_equal(others.z[0], found.z[0])

    alone = Inpainter.from_pretrained(config=InpaintConfig(iterations=3, batch_invariant=True), device="cpu")
    together = alone(faces, holes, seed=[1, 2, 3])
    for i in range(3):
        assert_array_equal(alone(faces[i], holes[i], seed=i + 1).z, together.z[i])


def test_ten_iterations_of_the_paper_are_the_reference_s():
    """The contract on the shipped model and a real face: z within 1e-4 after 10 iterations in float32.

    Of most starts, hence the median: see test_latent_search.py, and docs/architecture.md for what was measured.
    """
    model = load_model()
    config = dataclasses.replace(InpaintConfig.paper(), iterations=10)
    seeds = list(range(12))
    faces = np.stack([astronaut(CELEBA_108, 64)] * len(seeds))
    names = ("centre", "left", "drop-80", "free-form")
    holes = np.stack([masks.draw(names[seed % 4], (64, 64), seed) for seed in seeds])
    found = Inpainter(model.generator, model.discriminator, config=config, device="cpu")(faces, holes, seed=seeds)
    exact = reference.Inpainter(model.generator.double(), model.discriminator.double(), config=config)(
        faces, holes, seed=seeds
    )
    assert np.median(np.abs(found.z - exact.z).max(axis=1)) < 1e-4
    # the blended image, of bytes: half a level of rounding, and what z's deviation is worth
    assert np.median(np.abs(found.image / 255 - exact.image).max(axis=(1, 2, 3))) < 1 / 255
