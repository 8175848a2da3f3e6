"""The other half of a face as source of the blend: where it is right, and where it is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scipy.ndimage import gaussian_filter

from faceinpaint_fast import InputError
from faceinpaint_fast._cpu import Halves
from faceinpaint_fast.photo import paste
from faceinpaint_fast.photo.frame import Frame, lattice
from faceinpaint_fast.photo.mirror import AXIS, COVER, MEANS, RING, YAW, mirrored, refusal
from tests.photo.plain_mirror import IN_MIRROR, SAMPLED, PlainMirror

# whose mirror image they are themselves
EVEN = np.stack([MEANS, (MEANS * (-1, 1) + (2 * AXIS, 0))[IN_MIRROR]]).mean(axis=0)
SCALE, BORDER = 2.5, 60


def psnr(image, truth, hole):
    return -10 * np.log10(((image[hole] - truth[hole]) ** 2).mean())


class Symmetric:
    """A photograph of blotches, the same on both sides of its frame's axis, moved by `by` of the frame's pixels."""

    def __init__(self, by=(0.0, 0.0), gain=1.0, seed=0, scale=SCALE):
        size = round(64 * scale) + 2 * BORDER
        self.frame = Frame.of(EVEN * scale + BORDER, EVEN, 64)
        self.points = EVEN * scale + BORDER
        noise = np.random.default_rng(seed).standard_normal((90, 90, 3))
        blotches = gaussian_filter(noise, (1.5, 1.5, 0)) * 1.2 + gaussian_filter(noise, (6, 6, 0)) * 4
        at = self.frame.to_model(lattice((size, size)))
        side = np.abs(at[..., 0] - AXIS) + (at[..., 0] > AXIS) * by[0]
        down = at[..., 1] + (at[..., 0] > AXIS) * by[1]
        texture = paste.cv2().remap(
            blotches.astype(np.float32), (side + 10).astype(np.float32), (down + 12).astype(np.float32), 2
        )
        strength = np.where(at[..., 0] > AXIS, gain, 1)[..., None]
        self.photo = (0.5 + strength * 0.35 * texture).clip(0, 1).astype(np.float32)
        self.at = at

    def hole(self, u=20.0, v=34.0, radius=8.0):
        return np.hypot(self.at[..., 0] - u, self.at[..., 1] - v) < radius

    def restored(self, hole):
        """The photograph with its hole filled smoothly."""
        return paste.smooth(np.where(hole[..., None], 0, self.photo), hole)

    def mirrored(self, hole, mode="auto", points=None):
        return mirrored(self.restored(hole), hole, hole, self.frame, self.points if points is None else points, mode)


def test_even_halves_fill_one_another():
    face = Symmetric()
    hole = face.hole()
    found = face.mirrored(hole)
    assert found.used
    assert (found.cover > 0.9, found.ring > 0.95, found.yaw < 0.1) == (True, True, True)
    assert psnr(found.restored, face.photo, hole) > 40
    plain = face.restored(hole)
    assert psnr(plain, face.photo, hole) < 30
    assert_array_equal(found.restored[~hole], face.photo[~hole])


@pytest.mark.parametrize("scale", [1, 6])
def test_any_scale(scale):
    """From a face as large as the model's to one of many more pixels."""
    face = Symmetric((1.7, -1.2), scale=scale)
    hole = face.hole()
    found = face.mirrored(hole)
    assert found.used
    plain = face.restored(hole)
    assert psnr(found.restored, face.photo, hole) > psnr(plain, face.photo, hole) + 6


def halves_of(restored, hole, frame):
    """The halves of a face, and the same plainly."""
    fine = frame.finer(Halves.FINE, Halves.PAD)
    made = fine.drawn(restored), fine.drawn(hole, Image.Resampling.BOX)
    return Halves(*made, frame.matrix, *hole.shape, AXIS), PlainMirror(*made, frame, hole.shape, AXIS)


@pytest.mark.parametrize("by", [(1.7, -1.2), (-2.5, 2.0)])
def test_uneven_halves_are_registered(by):
    """The points say nothing of it: what is known around the hole does."""
    face = Symmetric(by)
    hole = face.hole()
    found = face.mirrored(hole)
    assert found.used
    assert psnr(found.restored, face.photo, hole) > psnr(face.restored(hole), face.photo, hole) + 10
    halves, plain = halves_of(face.restored(hole), hole, face.frame)
    plain.field = halves.registered(EVEN, COVER).field
    d = (plain.displaced(SAMPLED) - SAMPLED)[plain.lost]
    # but for what holds it near where it started
    assert_allclose(d.mean(axis=0), (by[0], -by[1]), atol=0.4)


def test_a_half_with_less_contrast_gets_more():
    """As where light comes from the side."""
    face = Symmetric(gain=0.7)
    hole = face.hole()
    found = face.mirrored(hole)
    assert found.used
    assert psnr(found.restored, face.photo, hole) > 28


def test_the_hidden_right_half():
    face = Symmetric()
    hole = (face.at[..., 0] > AXIS) & (face.frame.depth(lattice(face.photo.shape)) < 1)
    found = face.mirrored(hole)
    assert found.used
    assert found.cover > 0.4
    plain = face.restored(hole)
    assert psnr(found.restored, face.photo, hole) > psnr(plain, face.photo, hole) + 1


def test_halves_that_are_not_alike_are_refused():
    face, other = Symmetric(), Symmetric(seed=1)
    face.photo = np.where(face.at[..., :1] > AXIS, other.photo, face.photo)
    hole = face.hole()
    found = face.mirrored(hole)
    assert not found.used
    assert found.restored is None
    assert found.ring < RING
    # of what little is alike by chance
    assert found.cover < 0.2
    # unless it is asked for
    assert face.mirrored(hole, "on").used


def test_where_both_halves_are_missing_nothing_is_covered():
    face = Symmetric()
    hole = (np.abs(face.at[..., 0] - AXIS) < 22) & (np.abs(face.at[..., 1] - 34) < 7)
    found = face.mirrored(hole)
    assert (found.used, found.why) == (False, "the other half is hidden, too")


def test_a_turned_head_is_refused():
    face = Symmetric()
    turned = face.points + np.array([(-4, 0), (4, 0), (9, 0), (0, 0), (7, 0)]) * SCALE / 2
    hole = face.hole()
    found = face.mirrored(hole, points=turned)
    assert not found.used
    assert found.yaw > YAW


def test_beyond_the_photograph_nothing_is_known():
    face = Symmetric()
    cut = round(BORDER + 30 * SCALE)
    photo, hole = face.photo[:, :cut], face.hole()[:, :cut]
    restored = paste.smooth(np.where(hole[..., None], 0, photo), hole)
    assert mirrored(restored, hole, hole, face.frame, face.points, "auto").why == "the other half is hidden, too"
    # as wide as it was, all of it is known
    assert face.mirrored(face.hole()).cover > 0.9


def test_another_colour_is_not_trusted():
    """Background over a cheek."""
    face = Symmetric()
    red = np.array([0.9, 0.1, 0.1], np.float32)
    inside = np.hypot(face.at[..., 0] - (2 * AXIS - 20), face.at[..., 1] - 34) < 12
    hole = face.hole(radius=6)
    before = face.mirrored(hole, "on").trust[hole].mean()
    face.photo = np.where(inside[..., None], red, face.photo)
    assert face.mirrored(hole, "on").trust[hole].mean() < before / 2


@pytest.mark.parametrize(
    ("cover", "ring", "yaw", "used"),
    [
        (1, 0.99, 0.1, True),
        (1, np.nan, 0.1, True),
        (COVER - 0.01, 0.99, 0.1, False),
        (1, RING - 0.01, 0.1, False),
        (1, 0.99, YAW + 0.1, False),
    ],
)
def test_the_rule(cover, ring, yaw, used):
    assert (refusal(cover, ring, yaw) is None) is used


def test_where_details_are_others_nearby_less_is_trusted():
    """Glasses, on one side of the hole alone: the ring as a whole is still like its mirror."""
    face = Symmetric()
    hole = face.hole()
    before = face.mirrored(hole)
    stripes = 0.5 + 0.5 * np.sign(np.sin(face.at[..., :1] * 3)) * np.ones(3)
    near = (np.abs(face.at[..., 0] - 20) < 8) & (face.at[..., 1] > 43) & (face.at[..., 1] < 50)
    face.photo = np.where(near[..., None], stripes, face.photo).astype(np.float32)
    after = face.mirrored(hole)
    upper, lower = (hole & (sign * (face.at[..., 1] - 34) > 3) for sign in (-1, 1))
    assert after.trust[lower].mean() < 0.85 * before.trust[lower].mean()
    assert after.trust[upper].mean() > 0.95 * before.trust[upper].mean()


def inclined(photo, points, disc):
    """A portrait with an eye covered."""
    hole = disc(photo.shape, points[0], 14)
    restored = paste.smooth(np.where(hole[..., None], 0, photo / 255).astype(np.float32), hole)
    return restored, hole, Frame.of(points, MEANS, 64), points


def uneven(*_):
    face = Symmetric((1.7, -1.2), gain=0.8, scale=1.4)
    hole = face.hole()
    return face.restored(hole), hole, face.frame, face.points


def cut(*_):
    """A photograph that ends within the face, of which a half is covered."""
    face = Symmetric((-2.5, 2.0))
    right = round(BORDER + 58 * SCALE)
    hole = (face.at[..., 0] > AXIS) & (np.abs(face.at[..., 1] - 34) < 10)
    return face.restored(hole)[:, :right].copy(), hole[:, :right].copy(), face.frame, face.points


@pytest.mark.parametrize("made", [inclined, uneven, cut])
def test_it_is_what_whole_matrices_make_of_it(made, photo, points, disc):
    restored, hole, frame, points = made(photo, points, disc)
    halves, plain = halves_of(restored, hole, frame)
    found = halves.registered(frame.to_model(points), COVER)
    plain.register(frame.to_model(points))
    # its numbers are doubles, OpenCV's float32
    expected = plain.displaced(SAMPLED)
    assert_allclose([found.gain, found.ring], [plain.gain, plain.ring], atol=1e-5)
    plain.field = found.field
    assert_allclose(plain.displaced(SAMPLED), expected, atol=1e-3)
    assert np.abs(expected - SAMPLED).max() > 0.5

    source, trust = np.empty_like(restored), np.empty(hole.shape, np.float32)
    cover = halves.make_source(found, restored, hole, hole, frame.matrix, source, trust)
    assert cover == pytest.approx(trust[hole].mean(), abs=1e-6)
    for image, wanted in zip((source, trust), plain.source(restored, hole), strict=True):
        # what is known ends where a number is 0.02, and rounding may move it by a pixel
        apart = np.abs(image - wanted)[hole]
        assert np.quantile(apart, 0.999) < 1e-3
        assert apart.mean() < 1e-4
    assert 0.02 < cover < 0.99
    assert_array_equal(source[~hole & (trust == 0)], restored[~hole & (trust == 0)])


def test_the_restorer_asks_for_it(pretrained, photo, points, disc):
    hole = disc(photo.shape, points[0], 14)
    off, auto, on = (pretrained(photo, hole, faces=points, mirror=mode) for mode in ("off", "auto", "on"))
    assert off.faces[0].mirror is None
    assert auto.faces[0].mirror.why
    assert on.faces[0].mirror.used
    assert (on.image != off.image).any()
    assert_array_equal(on.image[~hole], photo[~hole])
    expected = on if auto.faces[0].mirror.used else off
    assert_array_equal(auto.image, expected.image)
    assert_allclose(on.faces[0].plain, off.faces[0].restored)


def test_eyes_are_points_enough(pretrained, photo, points, disc):
    hole = disc(photo.shape, points[0], 14)
    assert pretrained(photo, hole, faces=points[:2], mirror="on").faces[0].mirror.used


def test_another_mode_is_refused(pretrained, photo, points, disc):
    with pytest.raises(InputError, match="mirror: expected one of auto, on, off, got 'yes'"):
        pretrained(photo, disc(photo.shape, points[0], 14), faces=points, mirror="yes")
