"""Pictures through the engine: aligned faces in batches, smaller ones where memory or one of them fails."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from faceinpaint_fast import InputError, masks
from faceinpaint_fast.folders.engine import Damaged, Engine, Restored, out_of_memory


@pytest.fixture
def damaged(faces):
    """Eight faces with holes of two kinds."""
    holes = [masks.centre((64, 64)), masks.half((64, 64), "left")]
    return [Damaged(pixels=face, missing=holes[i % 2], seed=i) for i, face in enumerate(faces[:8])]


@pytest.fixture
def told():
    return []


@pytest.fixture
def engine(inpainter, told):
    return Engine(inpainter, None, 8, told.append)


class Failing:
    """An Inpainter's place, which counts the batches, and refuses those that `error` has something against."""

    def __init__(self, inpainter, error):
        self._inpainter, self._error, self.batches = inpainter, error, []
        self.image_shape = inpainter.image_shape

    def __call__(self, pixels, missing, *, seed):
        self.batches.append(len(pixels))
        if (error := self._error(pixels)) is not None:
            raise error
        return self._inpainter(pixels, missing, seed=seed)


def test_a_batch_is_restored_as_the_engine_does_it(engine, inpainter, damaged):
    found = engine.restore(damaged)
    expected = inpainter(
        np.stack([each.pixels for each in damaged]), np.stack([each.missing for each in damaged]), seed=range(8)
    )
    for i, each in enumerate(found):
        assert_array_equal(each.pixels, expected.image[i])
        assert each.losses == {name: loss[i] for name, loss in expected.losses.items()}
        assert all(type(loss) is float for loss in each.losses.values())
        assert each.faces is None


def test_another_picture_is_a_photograph_s(inpainter, told):
    photo = Damaged(pixels=np.zeros((30, 40, 3), np.uint8), missing=masks.centre((30, 40)), seed=3)
    (refused,) = Engine(inpainter, None, 8, told.append).restore([photo])
    assert isinstance(refused, InputError)
    assert str(refused) == "picture: expected 64x64 pixels, the model's size, got 40x30"
    came = Restored(pixels=photo.pixels, faces=2, losses={})
    given = []

    def restore(damaged):
        given.append(damaged)
        return came

    assert Engine(inpainter, restore, 8, told.append).restore([photo]) == [came]
    assert given == [photo]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_batch_that_memory_is_too_small_for_is_halved_for_good(inpainter, damaged, told, error):
    failing = Failing(inpainter, lambda pixels: error if len(pixels) > 3 else None)
    engine = Engine(failing, None, 8, told.append)
    found = engine.restore(damaged)
    assert all(isinstance(each, Restored) for each in found)
    assert failing.batches == [8, 4, 2, 2, 4, 2, 2]
    assert engine.batch == 2
    assert told == [
        "out of memory with 8 pictures at a time: 4 from now on",
        "out of memory with 4 pictures at a time: 2 from now on",
    ]


def test_where_no_batch_is_small_enough_each_picture_fails(inpainter, damaged, told):
    found = Engine(Failing(inpainter, lambda _: MemoryError()), None, 8, told.append).restore(damaged)
    assert [type(each) for each in found] == [MemoryError] * 8


def test_a_picture_that_fails_costs_no_other(inpainter, damaged, told):
    bad = damaged[5].pixels
    failing = Failing(inpainter, lambda pixels: ValueError("odd") if (pixels == bad).all((1, 2, 3)).any() else None)
    engine = Engine(failing, None, 8, told.append)
    found = engine.restore(damaged)
    assert [str(each) for each in found if isinstance(each, Exception)] == ["odd"]
    assert isinstance(found[5], ValueError)
    assert (engine.batch, told) == (8, [])
    # what it came through is let go
    assert found[5].__traceback__ is None


def test_not_every_error_is_one_of_memory():
    assert not out_of_memory(RuntimeError("shapes differ"))
    assert not out_of_memory(ValueError("can't allocate memory"))


def test_settings_tell_networks_and_configs_apart(engine, inpainter, told):
    from faceinpaint_fast import InpaintConfig, Inpainter

    same = Inpainter(inpainter.generator, inpainter.discriminator, config=inpainter.config, device="cpu")
    other = Inpainter(
        inpainter.generator, inpainter.discriminator, config=InpaintConfig.over_z(iterations=2), device="cpu"
    )
    assert Engine(same, None, 8, told.append).settings() == engine.settings()
    assert Engine(other, None, 8, told.append).settings() != engine.settings()
    with torch.no_grad():
        next(inpainter.generator.parameters()).view(-1)[0] += 1
    assert Engine(same, None, 8, told.append).settings() != Engine(inpainter, None, 8, told.append).settings()
