"""Any number of images: in order, a few pieces at a time, each as a call restores it, and errors by their number."""

from __future__ import annotations

import dataclasses
import gc
import itertools
import threading
import weakref

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from faceinpaint_fast import InpaintConfig, Inpainter, InputError, ModelError, masks
from faceinpaint_fast.stream import pieces, streamed

PATIENCE = 60  # seconds after which something hangs
FAST = InpaintConfig(stages=[(1, 2, 0.1)])
HOLE = masks.centre((64, 64))
OVERLAP = pytest.mark.parametrize("overlap", [False, True])


@pytest.fixture
def inpainter(generator, discriminator, encoder):
    return Inpainter(generator, discriminator, encoder=encoder, config=FAST, device="cpu")


@pytest.fixture
def images(rng):
    return rng.random((5, 64, 64, 3)).astype(np.float32)


@pytest.fixture
def holes(rng):
    return rng.random((5, 64, 64)) < 0.3


def same(found, expected):
    for one, other in zip(found, expected, strict=True):
        for field in ("image", "generated", "z", "activations"):
            assert type(getattr(one, field)) is type(getattr(other, field))
            assert_array_equal(getattr(one, field), getattr(other, field), err_msg=field)
        assert {name: float(loss) for name, loss in one.losses.items()} == {
            name: float(loss) for name, loss in other.losses.items()
        }
        assert one.losses["total"].shape == ()


def called(inpainter, images, holes, size, seeds):
    for i in range(0, len(images), size):
        part = slice(i, i + size)
        yield from inpainter(images[part], holes[part], seed=seeds[part]).each()


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy])
@pytest.mark.parametrize("given", [lambda array: array, iter, lambda array: (each for each in array)])
def test_a_piece_is_restored_as_a_call_restores_it(inpainter, images, holes, kind, given):
    images = images.transpose(0, 3, 1, 2) if kind is torch.from_numpy else images
    images, holes, seeds = kind(images), kind(holes), [3, 1, 4, 1, 5]
    config = dataclasses.replace(FAST, restarts=2)
    inpainter = Inpainter(inpainter.generator, inpainter.discriminator, config=config, device="cpu")
    found = inpainter.stream(given(images), given(holes), seed=iter(seeds), batch=2)
    same(found, called(inpainter, images, holes, 2, seeds))


def test_with_batch_invariant_the_size_of_pieces_changes_no_bit(inpainter, images, holes):
    config = dataclasses.replace(FAST, batch_invariant=True)
    inpainter = Inpainter(inpainter.generator, inpainter.discriminator, config=config, device="cpu")
    whole = inpainter(images, holes).each()
    same(inpainter.stream(images, holes, batch=3), whole)


def test_one_hole_serves_all_and_holes_may_go_on_for_ever(inpainter, images):
    expected = [each.image for each in inpainter(images, HOLE, seed=0).each()]
    for holes in (HOLE, np.stack([HOLE] * 3, axis=-1), itertools.repeat(HOLE)):
        found = inpainter.stream(list(images), holes, seed=itertools.repeat(0))
        assert_array_equal([each.image for each in found], expected)


def test_images_that_are_unlike_are_pieces_of_their_own(inpainter, images):
    # which as floats would be images too
    levels = (images > 0.5).astype(np.uint8)
    mixed = [images[0], levels[1], levels[2], images[3]]
    found = list(inpainter.stream(mixed, HOLE))
    assert [each.image.dtype for each in found] == [np.float32, np.uint8, np.uint8, np.float32]
    alike = inpainter(levels[1:3], HOLE)
    assert_array_equal([each.image for each in found[1:3]], alike.image)


def test_nothing_comes_of_nothing(inpainter, images):
    assert list(inpainter.stream([], HOLE)) == []
    assert list(inpainter.stream(images[:0], HOLE)) == []


def test_never_more_than_a_piece_of_an_iterators_images_is_held(inpainter, images):
    alive, most = weakref.WeakSet(), 0

    class Image(np.ndarray):
        __hash__ = object.__hash__

    def endless():
        nonlocal most
        for i in itertools.count():
            image = images[i % 5].copy().view(Image)
            alive.add(image)
            most = max(most, len(alive))
            yield image

    gc.disable()
    try:
        for _ in itertools.islice(inpainter.stream(endless(), HOLE, batch=2), 13):
            pass
    finally:
        gc.enable()
    # the piece that is worked at, and the image that the iterator itself still has
    assert 2 <= most <= 3


@OVERLAP
def test_a_hundred_thousand_images_are_held_a_few_pieces_at_a_time(overlap):
    size, alive, most = 64, 0, 0
    lock = threading.Lock()

    class Image:
        dtype, shape = np.dtype(np.uint8), (1, 1, 1)

        def __init__(self, number):
            nonlocal alive, most
            self.number = number
            with lock:
                alive += 1
                most = max(most, alive)

        def __del__(self):
            nonlocal alive
            with lock:
                alive -= 1

    cut = pieces(map(Image, range(100_000)), np.zeros((1, 1), bool), 0, lambda: size)
    stages = [lambda piece: piece.images, list, lambda images: images]
    first = 0
    for images in streamed(cut, stages, lambda _: None, overlap=overlap):
        assert [image.number for image in images] == list(range(first, first + len(images)))
        first += len(images)
    assert first == 100_000
    # three stages at work, what each has made, and what the caller has; alone a piece and the caller's
    assert most <= (8 if overlap else 3) * size


def numbered(count):
    return pieces(np.arange(count), np.zeros((1, 1), bool), 0, lambda: 1)


def test_three_pieces_are_worked_at_at_the_same_time():
    together, count = threading.Barrier(3), 9

    def stage(place):
        def work(given):
            number = given.first if place == 0 else given
            # as far as all three stages have a piece: each waits for the other two
            if 2 <= number + place < count:
                together.wait(PATIENCE)
            return number

        return work

    done = streamed(numbered(count), [stage(place) for place in range(3)], lambda _: None, overlap=True)
    assert list(done) == list(range(count))


def test_threads_end_with_the_stream():
    before = threading.active_count()
    done = streamed(numbered(1000), [lambda piece: piece.first] * 1, lambda _: None, overlap=True)
    assert next(done) == 0
    assert threading.active_count() == before + 1
    done.close()
    assert threading.active_count() == before


@OVERLAP
def test_where_memory_runs_out_pieces_become_smaller(overlap):
    sizes, failed = [8], []

    def smaller(count):
        failed.append(count)
        sizes.append(min(sizes[-1], count // 2))

    def work(piece):
        if len(piece.images) > 3:
            raise MemoryError
        return piece.images.tolist()

    cut = pieces(np.arange(1000), np.zeros((1, 1), bool), 0, lambda: sizes[-1])
    done = list(streamed(cut, [work, tuple], smaller, overlap=overlap))
    assert [number for each in done for number in each] == list(range(1000))
    assert sizes[-1] == 2
    # pieces that were cut before the first of them failed
    assert len(failed) <= (12 if overlap else 3)


@OVERLAP
@pytest.mark.parametrize("place", [0, 1, 2])
def test_an_image_that_fails_is_named_behind_the_results_of_all_before_it(overlap, place):
    def stage(number):
        def work(given):
            if number == place and 13 in given:
                raise InputError("images[0]: expected better")
            return given

        return work

    cut = pieces(np.arange(20), np.zeros((1, 1), bool), 0, lambda: 8)
    stages = [lambda piece: stage(0)(piece.images), stage(1), stage(2)]
    found = []
    done = (number for each in streamed(cut, stages, lambda _: None, overlap=overlap) for number in each.tolist())
    with pytest.raises(InputError, match=r"^image 13 of the stream: images: expected better$"):
        found.extend(done)
    assert found == list(range(13))


def test_what_does_not_fit_is_told_with_the_images_number(inpainter, images):
    bad = images.copy()
    bad[3, 5, 60] = np.nan
    found = []
    with pytest.raises(InputError, match=r"^image 3 of the stream: images: .* NaN or Inf at row 5, column 60$"):
        found.extend(inpainter.stream(iter(bad), HOLE, batch=4))
    assert len(found) == 3
    with pytest.raises(InputError, match=r"^image 1 of the stream: images: expected 64x64 pixels"):
        list(inpainter.stream([images[0], images[1, 1:]], HOLE))
    with pytest.raises(InputError, match=r"^image 2 of the stream: seed: expected"):
        list(inpainter.stream(images, HOLE, seed=[1, 2, 0.5, 3, 4]))
    with pytest.raises(InputError, match=r"^image 4 of the stream: hole"):
        list(inpainter.stream(images, [HOLE] * 4 + [np.ones((64, 64), bool)]))


def test_a_search_that_fails_names_the_images_number(images, generator, discriminator):
    class Brittle(torch.nn.Module):
        latent_size = generator.latent_size

        def forward(self, z):
            return generator(z).where((z[:, 0] > 0)[:, None, None, None], torch.nan)

    config = InpaintConfig.over_z(iterations=1, start="random", learning_rate=1e-3)
    brittle = Inpainter(Brittle(), discriminator, config=config, device="cpu")
    # of whose starts the first coordinates are all below 0
    failing = next(seed for seed in range(1000) if all_below(seed, generator.latent_size))
    good = next(seed for seed in range(1000) if none_below(seed, generator.latent_size))
    with pytest.raises(ModelError, match=r"^image 2 of the stream: images: expected a finite loss"):
        list(brittle.stream(images, HOLE, seed=[good, good, failing, good, good], batch=3))


def first_coordinates(seed, latent_size):
    from faceinpaint_fast.search.latent_search import ATTEMPTS
    from faceinpaint_fast.search.starts import codes

    return codes([seed], 1, latent_size, ATTEMPTS)[:, 0, 0]


def all_below(seed, latent_size):
    return bool((first_coordinates(seed, latent_size) < -0.2).all())


def none_below(seed, latent_size):
    return bool((first_coordinates(seed, latent_size) > 0.2).all())


@OVERLAP
def test_what_an_iterator_raises_comes_behind_all_before_it(overlap):
    def broken():
        yield from range(5)
        raise KeyError("lost")

    cut = pieces(broken(), np.zeros((1, 1), bool), 0, lambda: 1)
    found = []
    stages = [lambda piece: piece.images, list]
    done = (number for each in streamed(cut, stages, lambda _: None, overlap=overlap) for number in each)
    with pytest.raises(KeyError, match="lost"):
        found.extend(done)
    assert found == list(range(5))


def test_what_does_not_fit_together_is_refused(inpainter, images, holes):
    with pytest.raises(InputError, match="holes: expected one for each of 5 images, got 4"):
        inpainter.stream(images, holes[:4])
    with pytest.raises(InputError, match="seed: expected one for each of 5 images, got 2"):
        inpainter.stream(images, HOLE, seed=[1, 2])
    with pytest.raises(InputError, match="holes: expected one for each image, got 4"):
        list(inpainter.stream(iter(images), iter(holes[:4])))
    with pytest.raises(InputError, match="images: expected an array, or an iterable"):
        inpainter.stream(5, HOLE)
    with pytest.raises(InputError, match="batch: expected"):
        inpainter.stream(images, HOLE, batch=0)
    with pytest.raises(InputError, match=r"holes: expected shape"):
        inpainter.stream(images, np.zeros(64, bool))
