"""The demonstration: the method restores a real face."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast import Inpainter, masks, poisson_blend
from faceinpaint_fast.evaluation.metrics import quality
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.pictures.demonstration import COLUMNS, demo_sheet, restore_kinds


@pytest.fixture(scope="module")
def face():
    return astronaut(CELEBA_108, 64)


@pytest.fixture(scope="module")
def rows(face):
    return restore_kinds(Inpainter.from_pretrained(device="cpu"), face)


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
