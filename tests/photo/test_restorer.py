"""Photographs restored, with the shipped model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import InputError
from faceinpaint_fast.photo import paste
from faceinpaint_fast.photo.restorer import Restorer


def psnr(image, truth, hole):
    return -10 * np.log10((((image[hole].astype(float) - truth[hole]) / 255) ** 2).mean())


def by_the_blend_alone(photo, hole):
    return np.round(255 * paste.smooth(np.where(hole[..., None], 0, photo / np.float32(255)), hole))


def eye(points, disc, shape, number=0):
    return disc(shape, points[number], 0.35 * np.linalg.norm(points[0] - points[1]))


def test_an_eye_is_better_than_by_the_blend_alone(pretrained, photo, points, disc):
    hole = eye(points, disc, photo.shape)
    result = pretrained(photo, hole, faces=points)
    assert (result.image.dtype, result.image.shape) == (photo.dtype, photo.shape)
    assert_array_equal(result.image[~hole], photo[~hole])
    assert psnr(result.image, photo, hole) > psnr(by_the_blend_alone(photo, hole), photo, hole) + 2
    (face,) = result.faces
    assert face.generated.shape == (64, 64, 3)
    assert face.losses["total"] > 0
    assert_allclose(face.points, points)
    assert result.notes == ()
    assert {"find", "search", "blend"} <= result.seconds.keys()


def test_what_the_hole_holds_does_not_matter(pretrained, photo, points, disc):
    hole = eye(points, disc, photo.shape)
    other = np.where(hole[..., None], np.uint8(9), photo)
    assert_array_equal(pretrained(other, hole, faces=points).image, pretrained(photo, hole, faces=points).image)
    unit = np.where(hole[..., None], np.nan, photo / 255)
    expected = pretrained(photo, hole, faces=points).image
    assert_allclose(pretrained(unit, hole, faces=points).image * 255, expected, atol=1)


def test_torch_in_torch_out(pretrained, photo, points, disc):
    hole = eye(points, disc, photo.shape)
    tensor = torch.from_numpy(photo).permute(2, 0, 1) / 255
    image = pretrained(tensor, torch.from_numpy(hole), faces=points).image
    assert (image.dtype, image.shape) == (tensor.dtype, tensor.shape)
    assert torch.equal(image[:, ~torch.from_numpy(hole)], tensor[:, ~torch.from_numpy(hole)])


@pytest.mark.parametrize(("side", "gain"), [(0, 0.3), (1, 1)])
def test_a_half_face_left_or_right(pretrained, photo, points, side, gain):
    """The hidden right half is no other case than the left one; she looks to the left, of which more is seen."""
    hole = np.zeros(photo.shape[:2], bool)
    middle = round(points[2, 0])
    left, right = (40, middle) if side == 0 else (middle, 165)
    hole[40:170, left:right] = True
    result = pretrained(photo, hole, faces=points)
    assert psnr(result.image, photo, hole) > psnr(by_the_blend_alone(photo, hole), photo, hole) + gain


def test_two_faces_are_one_batch(restorer, photo, points, disc, monkeypatch):
    both = np.concatenate([photo, photo[:, ::-1]], axis=1)
    width = photo.shape[1]
    right = (points * (-1, 1) + (2 * width - 1, 0))[[1, 0, 2, 4, 3]]
    hole = eye(points, disc, both.shape) | eye(right, disc, both.shape)
    restore = restorer(lambda _: [points, right])
    calls = []
    inner = restore._restore
    monkeypatch.setattr(restore, "_restore", lambda faces, *a, **k: calls.append(len(faces)) or inner(faces, *a, **k))
    result = restore(both, hole, faces=[points, right])
    assert calls == [2]
    assert len(result.faces) == 2
    for face, mine in zip(result.faces, (slice(0, width), slice(width, None)), strict=True):
        alone = restore(both, hole & np.isin(np.arange(2 * width), np.arange(2 * width)[mine]), faces=[face.points])
        assert np.abs(alone.image[:, mine].astype(int) - result.image[:, mine]).max() <= 2


def test_a_hole_across_two_faces(pretrained, photo, points):
    both = np.concatenate([photo, photo], axis=1)
    right = points + np.array([photo.shape[1], 0])
    hole = np.zeros(both.shape[:2], bool)
    hole[130:150, round(points[3, 0]) : round(right[4, 0])] = True
    result = pretrained(both, hole, faces=[points, right])
    assert len(result.faces) == 2
    assert_array_equal(result.image[~hole], both[~hole])
    for face in (points, right):
        mouth = np.zeros_like(hole)
        mouth[130:150, round(face[3, 0]) : round(face[4, 0])] = True
        assert psnr(result.image, both, mouth) > psnr(by_the_blend_alone(both, hole), both, mouth) + 0.8
    # between them there is neither
    between = np.zeros_like(hole)
    between[130:150, photo.shape[1] - 20 : photo.shape[1] + 20] = True
    assert_array_equal(result.image[between], by_the_blend_alone(both, hole)[between])


def test_a_face_cut_by_the_border(pretrained, photo, points, disc):
    cut = photo[:, round(points[0, 0]) - 6 :]
    moved = points - (photo.shape[1] - cut.shape[1], 0)
    hole = eye(moved, disc, cut.shape, 1)
    result = pretrained(cut, hole, faces=moved)
    assert_array_equal(result.image[~hole], cut[~hole])
    assert psnr(result.image, cut, hole) > psnr(by_the_blend_alone(cut, hole), cut, hole) + 0.5


@pytest.mark.parametrize("factor", [0.5, 1, 4])
def test_any_scale(pretrained, scaled, disc, factor):
    """From faces smaller than the model's to such as have four of their pixels along each of its own."""
    photo, points = scaled(factor)
    hole = eye(points, disc, photo.shape)
    result = pretrained(photo, hole, faces=points)
    assert_array_equal(result.image[~hole], photo[~hole])
    assert psnr(result.image, photo, hole) > psnr(by_the_blend_alone(photo, hole), photo, hole) + 2


def test_large_photographs(pretrained, scaled, disc):
    """3,000 pixels of height, and about as good as at 260."""
    small, points = scaled(1)
    hole = eye(points, disc, small.shape)
    expected = psnr(pretrained(small, hole, faces=points).image, small, hole)
    photo, points = scaled(11.5)
    hole = eye(points, disc, photo.shape)
    result = pretrained(photo, hole, faces=points)
    assert_array_equal(result.image[~hole], photo[~hole])
    assert psnr(result.image, photo, hole) == pytest.approx(expected, abs=1)


def test_eyes_are_enough(pretrained, photo, points, disc):
    hole = eye(points, disc, photo.shape)
    result = pretrained(photo, hole, faces=points[:2])
    assert psnr(result.image, photo, hole) > psnr(by_the_blend_alone(photo, hole), photo, hole) + 1


def test_the_detector_looks_at_the_filled_photograph_and_again(restorer, photo, points, disc):
    seen = []

    def finds(image):
        seen.append(image)
        return [points + len(seen)]

    hole = eye(points, disc, photo.shape)
    result = restorer(finds)(photo, hole)
    assert_array_equal(seen[0], by_the_blend_alone(photo, hole).astype(np.uint8))
    # with the face in its place
    assert np.abs(seen[1][hole].astype(int) - seen[0][hole]).mean() > 5
    assert_array_equal(seen[1][~hole], photo[~hole])
    assert float((result.faces[0].points - points).mean()) in range(1, len(seen) + 1)


def test_a_detector_is_not_asked_where_faces_are_given(restorer, photo, points, disc):
    def never(_):
        raise AssertionError

    restorer(never)(photo, eye(points, disc, photo.shape), faces=points)


def test_no_face_says_what_to_pass(pretrained, photo, points, disc):
    with pytest.raises(InputError, match=r"got none that the detector finds: .*--landmarks, --eyes or --box"):
        pretrained(photo, eye(points, disc, photo.shape))


def test_a_hole_that_touches_no_face_is_filled_by_the_blend_alone(pretrained, photo, points, disc):
    hole = disc(photo.shape, (200, 30), 12)
    result = pretrained(photo, hole, faces=points)
    assert result.notes == ("the hole touches no face: it is filled by the blend alone",)
    assert_array_equal(result.image, by_the_blend_alone(photo, hole))
    assert result.faces == ()
    assert_allclose(result.others, [points])


def test_a_photograph_without_a_face_may_be_filled_by_the_blend_alone(pretrained, photo, points, disc):
    hole = eye(points, disc, photo.shape)
    result = pretrained(photo, hole, faceless=True)
    assert_array_equal(result.image, by_the_blend_alone(photo, hole))
    assert (result.faces, result.others.shape) == ((), (0, 5, 2))
    assert result.notes == ("the hole touches no face: it is filled by the blend alone",)


def test_faces_may_be_restored_through_something_else(pretrained, photo, points, disc):
    hole, calls = eye(points, disc, photo.shape), []

    def through(images, holes, *, seed):
        calls.append((images.shape, holes.shape, seed))
        return pretrained.inpainter(images, holes, seed=seed)

    other = Restorer(pretrained.inpainter, detector=lambda _: [], through=through)
    result = other(photo, hole, faces=points, seed=3)
    assert_array_equal(result.image, pretrained(photo, hole, faces=points, seed=3).image)
    assert calls == [((1, 64, 64, 3), (1, 64, 64), 3)]


def test_a_thin_hole_is_filled_by_the_blend_alone(pretrained, photo, points, rng):
    for hole in (rng.random(photo.shape[:2]) < 0.4, np.eye(*photo.shape[:2], dtype=bool)):
        result = pretrained(photo, hole, faces=points)
        assert result.notes == ("a face: the hole is thin, and the blend alone, which fills it, as good",)
        assert_array_equal(result.image, by_the_blend_alone(photo, hole))
        assert result.faces[0].generated is None


def test_a_face_of_which_nothing_is_known(pretrained, photo, points):
    hole = np.ones(photo.shape[:2], bool)
    hole[-20:] = hole[:, -8:] = False
    result = pretrained(photo, hole, faces=points)
    assert result.notes == ("a face: nothing of it is known, the hole is filled by the blend alone",)


def test_an_empty_hole_warns(pretrained, photo):
    with pytest.warns(UserWarning, match="hole: expected a missing pixel, got none"):
        result = pretrained(photo, np.zeros(photo.shape[:2], bool))
    assert_array_equal(result.image, photo)


def test_the_same_seed_gives_the_same_bits(pretrained, photo, points, disc):
    hole = eye(points, disc, photo.shape)
    first, second = (pretrained(photo, hole, faces=points, seed=3).image for _ in range(2))
    assert_array_equal(first, second)


def test_progress_ends_at_1(pretrained, photo, points, disc):
    heard = []
    pretrained(photo, eye(points, disc, photo.shape), faces=points, progress=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda photo: photo[None], "photo: expected one"),
        (lambda photo: photo[..., :1], "photo: expected one of 3 channels"),
        (lambda photo: photo.astype(np.float32), r"photo: expected float in \[0, 1\]"),
        (lambda photo: photo.astype(int), "photo: expected float or uint8"),
        (lambda photo: np.where(np.arange(photo.shape[1])[:, None] == 3, np.nan, photo / 255), "photo.*NaN or Inf"),
    ],
)
def test_other_photographs_are_refused(pretrained, photo, points, disc, change, message):
    with pytest.raises(InputError, match=message):
        pretrained(change(photo), eye(points, disc, photo.shape), faces=points)


def test_a_generator_of_oblongs_is_refused():
    class Oblong:
        image_shape = 3, 64, 48

    with pytest.raises(InputError, match="draws squares, got 64x48"):
        Restorer(Oblong())
