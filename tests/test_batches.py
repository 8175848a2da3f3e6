"""The border to a caller: one batch inside, the caller's kind, layout and dtype outside; holes that fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from faceinpaint_fast.batches import ImageBatch, damaged_of, with_neighbours
from faceinpaint_fast.errors import InputError

PATTERN = np.array([[True, False, False], [False, True, True]])


@pytest.fixture
def pixels(rng):
    """Two images, no two sides alike: (2, 4, 5, 3) uint8."""
    return rng.integers(0, 256, (2, 4, 5, 3), dtype=np.uint8)


def as_torch(pixels):
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(pixels, -1, -3)))


def test_a_batch_is_a_view(pixels):
    for images in (pixels, pixels[0]):
        batch = ImageBatch.of(images, "images")
        assert batch.pixels.ndim == 4
        assert np.shares_memory(batch.pixels, pixels)
        tensors = as_torch(images)
        batch = ImageBatch.of(tensors, "images")
        assert_array_equal(batch.pixels, images.reshape(-1, 4, 5, 3))
        assert np.shares_memory(batch.pixels, tensors.numpy())


def test_counts_the_images_of_a_batch_alone(pixels):
    assert ImageBatch.of(pixels, "images").count == 2
    assert ImageBatch.of(as_torch(pixels), "images").count == 2
    assert ImageBatch.of(pixels[:1], "images").count == 1
    assert ImageBatch.of(pixels[0], "images").count is None
    assert ImageBatch.of(as_torch(pixels[0]), "images").count is None


def test_torch_may_be_part_of_a_graph(pixels):
    tensors = as_torch(pixels).float().requires_grad_()
    assert_array_equal(ImageBatch.of(tensors, "images").pixels, pixels)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("kind", [lambda array: array, as_torch], ids=["numpy", "torch"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_there_and_back(pixels, single, kind, dtype):
    images = kind((pixels[0] if single else pixels).astype(dtype))
    batch = ImageBatch.of(images, "images")
    back = batch.laid_out(batch.pixels)
    assert type(back) is type(images)
    assert back.dtype == images.dtype
    assert back.shape == images.shape
    assert_array_equal(back, images)


def test_a_list_of_images_comes_back_as_numpys(pixels):
    batch = ImageBatch.of(list(pixels), "images")
    assert batch.count == 2
    assert_array_equal(batch.laid_out(batch.pixels), pixels)


@pytest.mark.parametrize("single", [False, True])
def test_fills_the_hole_and_leaves_the_rest_bit_for_bit(pixels, single):
    holes = np.zeros((2, 4, 5), bool)
    holes[0, 1, 2] = holes[1, 3] = True
    images, hole = (pixels[:1], holes[:1]) if single else (pixels, holes)
    content = np.full(images.shape, 0.5)
    for kind in (lambda array: array, as_torch):
        given = kind(images[0].copy() if single else images.copy())
        filled = ImageBatch.of(given, "images").filled(content, hole)
        assert type(filled) is type(given)
        assert filled.shape == given.shape
        assert_array_equal(given, kind(images[0] if single else images), err_msg="the caller's images have changed")
        back = ImageBatch.of(filled, "filled").pixels
        assert (back[hole] == 128).all()
        assert_array_equal(back[~hole], images[~hole])


def test_fills_floats_unrounded_and_unclipped(pixels):
    images = (pixels / 255).astype(np.float32)
    images[0, 0, 0] = np.nan
    holes = np.zeros((2, 4, 5), bool)
    holes[1, 0, 0] = True
    filled = ImageBatch.of(images, "images").filled(np.full(images.shape, 1.2345678), holes)
    assert filled.dtype == np.float32
    assert (filled[1, 0, 0] == np.float32(1.2345678)).all()
    assert_array_equal(filled[~holes], images[~holes])


def test_unit_scale(pixels):
    assert_array_equal(ImageBatch.of(pixels, "images").unit(), (pixels / 255).astype(np.float32))
    floats = pixels.astype(np.float64)
    assert np.shares_memory(ImageBatch.of(floats, "images").unit(), floats)


def test_every_grey_level_survives_the_unit_scale():
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    batch = ImageBatch.of(levels, "images")
    assert_array_equal(batch.rounded(batch.unit()), levels)


def test_rounds_and_clips_to_uint8():
    batch = ImageBatch.of(np.zeros((1, 5, 1), np.uint8), "images")
    unit = np.array([-0.5, 0.4999 / 255, 0.5001 / 255, 254.6 / 255, 7.0]).reshape(1, 1, 5, 1)
    assert_array_equal(batch.rounded(unit).ravel(), [0, 0, 1, 255, 255])


def test_strips_the_batch_axis_of_a_single_image(pixels):
    losses = np.array([0.25], np.float32)
    single = ImageBatch.of(pixels[0], "images").strip(losses)
    # an array still, of which torch can be made: not NumPy's scalar
    assert isinstance(single, np.ndarray)
    assert single.shape == ()
    assert ImageBatch.of(pixels[:1], "images").strip(losses).shape == (1,)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 5)), r"pictures: expected shape \(H, W, C\) or \(B, H, W, C\), not empty, got \(4, 5\)"),
        (np.zeros((1, 1, 4, 5, 3)), r"pictures: expected shape \(H, W, C\)"),
        (np.zeros((0, 4, 5, 3)), r"pictures: expected .* not empty"),
        (torch.zeros(4, 5), r"pictures: expected shape \(C, H, W\) or \(B, C, H, W\), not empty, got \(4, 5\)"),
        (np.zeros((4, 5, 3), np.int64), "pictures: expected float or uint8, got int64"),
        (np.zeros((4, 5, 3), bool), "pictures: expected float or uint8, got bool"),
        (torch.zeros(3, 4, 5, dtype=torch.int32), "pictures: expected float or uint8, got int32"),
        (
            torch.zeros(3, 4, 5, dtype=torch.bfloat16),
            r"pictures: expected an array of numbers that NumPy can hold, got a torch\.bfloat16 tensor",
        ),
        (torch.zeros(3, 4, 5).to_sparse(), "pictures: expected an array of numbers that NumPy can hold"),
        (torch.zeros(3, 4, 5, device="meta"), "pictures: expected an array of numbers that NumPy can hold"),
        (None, "pictures: expected an array of numbers that NumPy can hold, got a NoneType"),
        (["face.png"], "pictures: expected an array of numbers that NumPy can hold, got a list: its dtype is <U8"),
        ([[[1.0, 2.0], [3.0]]], "pictures: expected an array of numbers that NumPy can hold"),
        ("face.png", r"pictures: expected an array, got a str, 'face\.png': images\.read_image reads files"),
    ],
    ids=repr,
)
def test_what_is_no_image_is_refused(images, message):
    with pytest.raises(InputError, match=message):
        ImageBatch.of(images, "pictures")


def holes_of(hole, count, height, width):
    shape = (height, width, 3) if count is None else (count, height, width, 3)
    return damaged_of(ImageBatch.of(np.zeros(shape), "images"), hole)[1]


def test_one_hole_serves_all_images():
    found = holes_of(PATTERN, 4, 2, 3)
    assert_array_equal(found, np.stack([PATTERN] * 4))
    assert_array_equal(holes_of(PATTERN, None, 2, 3), PATTERN[None])


def test_a_hole_for_each_image():
    several = np.stack([PATTERN, ~PATTERN])
    assert_array_equal(holes_of(several, 2, 2, 3), several)
    assert_array_equal(holes_of(torch.from_numpy(several).float(), 2, 2, 3), several)


@pytest.mark.parametrize(
    ("shape", "count"),
    [((3, 2), None), ((2, 3, 1), None), ((1, 2, 3), None), ((3, 2, 3), 2), ((1, 2, 3), 2), ((6,), None), ((), 1)],
)
def test_holes_of_another_shape_are_refused(shape, count):
    with pytest.raises(InputError, match=r"hole: expected shape \(2, 3\)"):
        holes_of(np.zeros(shape, bool), count, 2, 3)


def test_a_full_hole_is_refused_by_its_number():
    full = np.ones_like(PATTERN)
    with pytest.raises(InputError, match=r"^hole: expected at least one known pixel"):
        holes_of(full, None, 2, 3)
    with pytest.raises(InputError, match=r"^holes\[2\]: expected at least one known pixel"):
        holes_of(np.stack([PATTERN, ~full, full, full]), 4, 2, 3)


def test_an_empty_hole_is_nobodys_error():
    with pytest.warns(UserWarning, match="that image comes back as it is"):
        assert not holes_of(np.zeros_like(PATTERN), None, 2, 3).any()


def test_what_is_not_finite_is_refused_where_it_is_known_alone(rng):
    images, hole = rng.random((3, 4, 5, 3)), np.zeros((3, 4, 5), bool)
    hole[:, 3] = True
    images[1, 2, 3, 0], images[2, 0, 4, 1] = np.nan, np.inf
    hole[1, 2, 3] = True
    batch = ImageBatch.of(images, "images")
    with pytest.raises(InputError, match=r"^images\[2\]: expected finite .* got NaN or Inf at row 0, column 4$"):
        damaged_of(batch, hole)
    hole[2, 0, 4] = True
    damaged, missing = damaged_of(batch, hole)
    assert_array_equal(missing, hole)
    assert_array_equal(damaged, np.where(hole[..., None], 0, images))


@pytest.mark.parametrize(("value", "told"), [(1.5, "to 1.5"), (-0.5, "got -0.5")])
def test_what_is_out_of_range_is_refused_where_it_is_known_alone(value, told, rng):
    images, hole = rng.random((2, 4, 5, 3)), np.zeros((4, 5), bool)
    images[1, 2, 3, 0] = value
    with pytest.raises(InputError, match=rf"^images: expected float in \[0, 1\] or uint8, .*{told}"):
        damaged_of(ImageBatch.of(images, "images"), ~hole & (np.arange(5) == 0))
    hole[2, 3] = True
    damaged_of(ImageBatch.of(images, "images"), hole)


def test_what_rounding_left_outside_is_clipped():
    images = np.array([1 + 1e-7, -1e-7, 0.5]).reshape(1, 1, 3, 1).repeat(3, axis=3)
    hole = np.array([[False, False, True]])
    damaged, _ = damaged_of(ImageBatch.of(images, "images"), hole)
    assert_array_equal(damaged[0, 0, :, 0], [1, 0, 0])


def test_a_hole_without_a_pixel_is_warned_of(rng):
    images, hole = ImageBatch.of(rng.random((2, 2, 3, 3)), "images"), np.zeros((2, 2, 3), np.float32)
    hole[0, 0, 0] = 1
    with pytest.warns(UserWarning, match="expected a missing pixel, got none"):
        damaged_of(images, hole)


@pytest.mark.parametrize(("value", "told"), [(np.nan, "expected numbers, got NaN"), (7, r"got 0 to 7")])
def test_a_float_hole_is_in_its_range(value, told, rng):
    hole = np.zeros((2, 3))
    hole[1, 1] = value
    with pytest.raises(InputError, match=f"^hole: {told}|^hole: expected float .*{told}"):
        damaged_of(ImageBatch.of(rng.random((2, 3, 3)), "images"), hole)


def test_a_batch_has_0_where_nobody_reads_its_nan(rng):
    images = rng.random((2, 4, 5, 3))
    batch = ImageBatch.of(images, "pictures")
    assert batch.known_where(lambda: pytest.fail("all is finite"), "pictures") is batch
    images[1, 2, 3, 0] = np.nan
    read = np.ones((2, 4, 5), bool)
    with pytest.raises(InputError, match=r"^pictures\[1\]: expected .* at row 2, column 3$"):
        batch.known_where(lambda: read, "pictures")
    read[1, 2, 3] = False
    assert_array_equal(batch.known_where(lambda: read, "pictures").pixels, np.where(read[..., None], images, 0))
    assert np.isnan(images[1, 2, 3, 0])


def test_neighbours_are_beside_above_and_below():
    hole = np.zeros((2, 4, 5), bool)
    hole[0, 1, 1] = hole[1, 3, 0] = True
    expected = hole.copy()
    for image, row, column in ((0, 0, 1), (0, 2, 1), (0, 1, 0), (0, 1, 2), (1, 2, 0), (1, 3, 1)):
        expected[image, row, column] = True
    assert_array_equal(with_neighbours(np.broadcast_to(hole, hole.shape)), expected)


def test_a_hole_may_have_equal_channels(rng):
    """As cv2 and PIL hand it over; torch's come first."""
    holes = rng.random((2, 6, 7)) < 0.5
    for channels in (1, 2, 3, 4):
        pictures = np.stack([holes] * channels, axis=-1)
        assert_array_equal(holes_of(pictures, 2, 6, 7), holes)
        assert_array_equal(holes_of(pictures[0], None, 6, 7), holes[:1])
        assert_array_equal(holes_of(pictures[0] * np.uint8(255), 2, 6, 7), np.stack([holes[0]] * 2))
        assert_array_equal(holes_of(torch.from_numpy(pictures).movedim(-1, 1), 2, 6, 7), holes)
        assert_array_equal(holes_of(torch.from_numpy(pictures[0]), None, 6, 7), holes[:1])


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_an_image_is_no_hole(dtype, rng):
    image = (rng.random((6, 7, 3)) * (255 if dtype == np.uint8 else 1)).astype(dtype)
    with pytest.raises(InputError, match=r"^hole: expected one channel, or equal ones, got \(6, 7, 3\) that differ"):
        holes_of(image, None, 6, 7)


def test_a_list_of_tensors_says_nothing_of_its_layout(pixels):
    with pytest.raises(InputError, match=r"^pictures: expected one tensor, \(B, C, H, W\), got a list of them"):
        ImageBatch.of([as_torch(image) for image in pixels], "pictures")
