"""Poisson blending against the reference's direct solve, and what it promises whatever the hole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import ndimage

from faceinpaint_fast import (
    BiharmonicSolver,
    InpaintConfig,
    InputError,
    PoissonSolver,
    TensionSolver,
    biharmonic_blend,
    masks,
    poisson_blend,
    reference,
    tension_blend,
)
from faceinpaint_fast.blend import doors
from faceinpaint_fast.blend.gradients import divergence, gradient_fields, merge
from faceinpaint_fast.config import CHOICES

SHAPE = (24, 31)


def one_pixel(row, column):
    hole = np.zeros(SHAPE, np.bool_)
    hole[row, column] = True
    return hole


HOLES = {
    "centre": masks.centre(SHAPE),
    "left": masks.half(SHAPE, "left"),
    "free-form": masks.free_form(SHAPE, 3),
    "drop 20": masks.random_pixels(SHAPE, 0.2),
    "drop 80": masks.random_pixels(SHAPE, 0.8),
    "one pixel": one_pixel(5, 9),
    "corner pixel": one_pixel(0, 0),
    "all but one pixel": ~one_pixel(7, 3),
    "border frame": ~masks.rectangle(SHAPE, top=1, left=1, height=22, width=29),
    "none": np.zeros(SHAPE, np.bool_),
}


@pytest.fixture
def pair(rng):
    return rng.random((*SHAPE, 3)), rng.random((*SHAPE, 3))


@pytest.mark.parametrize("hole", HOLES.values(), ids=HOLES)
def test_is_the_reference_s(hole, pair):
    target, source = pair
    expected = reference.poisson_blend(target, source, hole)
    assert_allclose(poisson_blend(target, source, hole), expected, atol=1e-4)  # the promise
    # the residual times the condition number, 10^3 at this size
    assert_allclose(poisson_blend(target, source, hole, tolerance=1e-13), expected, atol=1e-10)


@pytest.mark.parametrize("hole", HOLES.values(), ids=HOLES)
@pytest.mark.parametrize("content", [0, 1, np.nan, "noise"])
def test_what_the_hole_contains_does_not_matter(hole, content, pair, rng):
    target, source = pair
    expected = poisson_blend(target, source, hole)
    other = target.copy()
    other[hole] = rng.random(other[hole].shape) if content == "noise" else content
    assert_array_equal(poisson_blend(other, source, hole), expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_known_pixels_come_back_bit_for_bit_and_inputs_stay(dtype, pair):
    target, source = ((255 * image).astype(dtype) if dtype == np.uint8 else image.astype(dtype) for image in pair)
    before = target.copy(), source.copy()
    hole = HOLES["free-form"]
    blended = poisson_blend(target, source, hole)
    assert blended.dtype == dtype
    assert_array_equal(blended[~hole], target[~hole])
    assert not np.array_equal(blended[hole], target[hole])
    assert_array_equal(target, before[0])
    assert_array_equal(source, before[1])


def test_the_discrete_equation_holds_at_every_missing_pixel(pair):
    target, source = pair
    hole = HOLES["drop 80"]
    blended = poisson_blend(target, source, hole, tolerance=1e-13)
    for row, column in np.argwhere(hole):
        flow = np.zeros(3)
        for r, c in ((row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)):
            if 0 <= r < SHAPE[0] and 0 <= c < SHAPE[1]:
                flow += (blended[row, column] - blended[r, c]) - (source[row, column] - source[r, c])
        assert_allclose(flow, 0, atol=1e-10)


def test_uint8_is_the_rounded_result_of_floats(pair):
    target, source = ((255 * image).astype(np.uint8) for image in pair)
    hole = HOLES["centre"]
    exact = poisson_blend(target / 255, source / 255, hole)
    assert_array_equal(poisson_blend(target, source, hole), np.round(np.clip(exact, 0, 1) * 255).astype(np.uint8))
    # a generated float image goes into a photograph of bytes
    assert_array_equal(poisson_blend(target, source / 255, hole), poisson_blend(target, source, hole))


def test_a_constant_offset_between_target_and_source_disappears(pair):
    target, _ = pair
    assert_allclose(poisson_blend(target, target - 0.3, HOLES["left"], tolerance=1e-13), target, atol=1e-11)


def test_batches_of_one_hole_and_of_different_holes(rng):
    targets, sources = rng.random((2, 4, *SHAPE, 2))
    holes = np.stack([HOLES[name] for name in ("centre", "centre", "drop 20", "none")])
    for i, blended in enumerate(poisson_blend(targets, sources, holes)):
        assert_array_equal(blended, poisson_blend(targets[i], sources[i], holes[i]))
    assert_array_equal(poisson_blend(targets, sources, holes[0])[3], poisson_blend(targets[3], sources[3], holes[0]))


def test_torch_is_laid_out_as_torch(pair):
    target, source = pair
    hole = HOLES["centre"]
    expected = poisson_blend(target, source, hole)
    planes = [torch.from_numpy(image).movedim(-1, 0) for image in pair]
    found = poisson_blend(*planes, torch.from_numpy(hole))
    assert isinstance(found, torch.Tensor)
    assert_array_equal(found.movedim(0, -1).numpy(), expected)
    assert_array_equal(
        poisson_blend(*(p[None] for p in planes), torch.from_numpy(hole)[None])[0].numpy(), found.numpy()
    )


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    fraction=st.floats(0, 1),
    seed=st.integers(0, 2**31),
)
def test_any_hole_of_any_size(height, width, fraction, seed):
    rng = np.random.default_rng(seed)
    hole = rng.random((height, width)) < fraction
    hole.flat[rng.integers(hole.size)] = False
    target, source = rng.random((2, height, width, 1))
    blended = poisson_blend(target, source, hole, tolerance=1e-13)
    # condition numbers of up to 10^4 times the residual
    assert_allclose(blended, reference.poisson_blend(target, source, hole), atol=1e-9)
    assert_array_equal(blended[~hole], target[~hole])


def test_the_residual_promised_is_checked(pair):
    target, source = pair
    hole = HOLES["centre"]
    v = divergence(merge(gradient_fields(target), gradient_fields(source), hole))
    with pytest.raises(ArithmeticError, match="expected a relative residual of 1e-30, got"):
        PoissonSolver(hole).solve(v, target, tolerance=1e-30)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hole": np.ones(SHAPE, np.bool_)}, "hole: expected at least one known pixel"),
        ({"hole": np.stack([HOLES["centre"]] * 2)}, r"hole: expected shape"),
        ({"hole": HOLES["centre"][1:]}, "hole: expected shape"),
        ({"hole": HOLES["centre"].astype(int)}, "hole: expected bool, uint8 or float"),
        ({"source": np.zeros((*SHAPE, 4))}, "source: expected target's shape"),
        ({"source": np.full((*SHAPE, 3), np.nan)}, r"source\[0\]: expected finite"),
        ({"target": np.full((*SHAPE, 3), np.inf)}, r"target\[0\]: expected finite"),
        ({"target": np.zeros(SHAPE)}, "target: expected shape"),
        ({"target": np.zeros((*SHAPE, 3), int)}, "target: expected float or uint8"),
        ({"tolerance": 0.0}, "tolerance: expected a finite number > 0"),
    ],
)
def test_bad_input_is_named(change, message, pair):
    arguments = {"target": pair[0], "source": pair[1], "hole": HOLES["centre"]} | change
    tolerance = {"tolerance": arguments.pop("tolerance")} if "tolerance" in change else {}
    with pytest.raises(InputError, match=message):
        poisson_blend(**arguments, **tolerance)


def test_the_batch_s_full_hole_is_named(rng):
    targets = rng.random((2, *SHAPE, 3))
    holes = np.stack([HOLES["centre"], np.ones(SHAPE, np.bool_)])
    with pytest.raises(InputError, match=r"holes\[1\]: expected at least one known pixel"):
        poisson_blend(targets, targets, holes)


@pytest.mark.parametrize("blend", CHOICES["blend"])
def test_every_blend_of_the_config_is_written(blend, pair):
    target, source = (image[None] for image in pair)
    hole = HOLES["centre"]
    public = {"poisson": poisson_blend, "biharmonic": biharmonic_blend, "tension": tension_blend}
    found = doors.blended(target, source, hole[None], doors.equation_of(InpaintConfig(blend=blend)))
    expected = np.where(hole[..., None], source, target) if blend == "none" else public[blend](target, source, hole)
    assert_array_equal(found, expected)


def misaligned(array):
    """The same numbers, each image of them behind a byte."""
    memory = np.zeros(array.nbytes + 1, np.uint8)
    copy = memory[1:].view(array.dtype).reshape(array.shape)
    copy[...] = array
    assert not copy.flags.aligned
    return copy


def in_records(array):
    """The same numbers as the pixels of records with a byte of something else."""
    records = np.zeros(array.shape[:-1], [("rgb", array.dtype, array.shape[-1:]), ("flag", np.uint8)])
    records["flag"], records["rgb"] = 255, array
    return records["rgb"]


LAYOUTS = {
    "misaligned": misaligned,
    "records": in_records,
    "backwards": lambda array: array[::-1, ::-1].copy()[::-1, ::-1],
    "every second": lambda array: array.repeat(2, axis=1)[:, ::2],
    "other byte order": lambda array: array.astype(array.dtype.newbyteorder()),
    "one number thrice": lambda array: np.broadcast_to(array[..., :1], array.shape),
}


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("blend", [poisson_blend, biharmonic_blend, tension_blend])
def test_every_array_of_numpy_s_is_read_as_it_is(blend, layout, dtype, pair):
    if dtype == np.uint8 and layout is misaligned:
        layout = in_records
    pair = [(255 * image).astype(dtype) for image in pair]
    if layout is LAYOUTS["one number thrice"]:
        pair = [image[..., :1].repeat(3, axis=-1) for image in pair]
    expected = blend(*pair, HOLES["free-form"])
    found = blend(*(read_only(layout(image)) for image in pair), HOLES["free-form"])
    assert_array_equal(found, expected)
    assert_array_equal(found[~HOLES["free-form"]], pair[0][~HOLES["free-form"]])


def test_a_divergence_in_records_is_followed(pair):
    v, target = pair
    solver = PoissonSolver(HOLES["centre"])
    assert_array_equal(solver.solve(in_records(v), in_records(target)), solver.solve(v, target))


@pytest.mark.parametrize("solver", [PoissonSolver, BiharmonicSolver, TensionSolver])
def test_threads_are_one_at_least(solver):
    with pytest.raises(InputError, match="threads: expected an integer >= 1, got 0"):
        solver(HOLES["centre"], threads=0)


BLENDS = {
    "poisson": (poisson_blend, 1),
    "mixed": (lambda *images: poisson_blend(*images, mixed=True), 1),
    "biharmonic": (biharmonic_blend, 2),
    "tension": (tension_blend, 2),
}


@pytest.mark.parametrize("hole", [HOLES["free-form"], HOLES["centre"]], ids=["free-form", "rectangle"])
@pytest.mark.parametrize("blend", [blend for blend, _ in BLENDS.values()], ids=BLENDS)
def test_the_error_goes_with_the_contrast_not_with_the_level(blend, hole, pair):
    target, source = pair
    # 1e6 has 1e-10 between neighbours; the equation divides by an eigenvalue of about 1e-3
    assert_allclose(blend(target + 1e6, source + 1e6, hole) - 1e6, blend(target, source, hole), rtol=0, atol=1e-6)


def test_so_does_that_of_what_follows_a_divergence(pair):
    target, divergence = pair
    solver = PoissonSolver(HOLES["free-form"])
    raised = solver.solve(divergence, target + 1e6)
    assert_allclose(raised - 1e6, solver.solve(divergence, target), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("blend", "reach"), BLENDS.values(), ids=BLENDS)
@pytest.mark.parametrize("hole", [HOLES["free-form"], HOLES["corner pixel"]], ids=["free-form", "corner"])
def test_what_no_equation_reads_may_be_nan(blend, reach, hole, pair):
    """Nor does it change a bit; known pixels come back as they are."""
    target, source = pair
    read = ndimage.binary_dilation(hole, iterations=reach)
    assert not read.all()
    expected = np.where(read[..., None], blend(target, source, hole), np.nan)
    target[~read], source[~read] = np.nan, -np.inf
    before = target.copy()
    assert_array_equal(blend(target, source, hole), expected)
    assert_array_equal(target, before)


@pytest.mark.parametrize(("blend", "reach"), BLENDS.values(), ids=BLENDS)
def test_a_nan_that_is_read_is_named_by_its_place(blend, reach, pair):
    hole = one_pixel(5, 9)
    for name, row, column in (("source", 5, 9), ("source", 5 + reach, 9), ("target", 5, 9 - reach)):
        images = {"target": pair[0], "source": pair[1]}
        images[name] = np.stack([images[name]] * 2)
        images = {key: image if image.ndim == 4 else np.stack([image] * 2) for key, image in images.items()}
        images[name][1, row, column, 2] = np.nan
        message = rf"^{name}\[1\]: expected finite numbers, got NaN or Inf at row {row}, column {column}$"
        with pytest.raises(InputError, match=message):
            blend(images["target"], images["source"], hole)


def test_what_a_divergence_holds_outside_the_hole_may_be_nan(pair):
    v, target = pair
    hole = HOLES["centre"]
    expected = PoissonSolver(hole).solve(v, target)
    assert_array_equal(PoissonSolver(hole).solve(np.where(hole[..., None], v, np.nan), target), expected)
    v[12, 15] = np.inf
    with pytest.raises(InputError, match=r"^divergence\[0\]: expected .* at row 12, column 15$"):
        PoissonSolver(hole).solve(v, target)


@pytest.mark.parametrize("value", ["1e-5", None, True, np.nan, np.inf, -1.0], ids=repr)
def test_tolerance_and_tension_are_numbers(value, pair):
    for blend in (poisson_blend, biharmonic_blend, tension_blend):
        with pytest.raises(InputError, match=r"^tolerance: expected a finite number > 0, got "):
            blend(*pair, HOLES["centre"], tolerance=value)
    with pytest.raises(InputError, match=r"^tension: expected a finite number > 0, got "):
        tension_blend(*pair, HOLES["centre"], tension=value)


def test_mixed_and_threads_are_what_they_are_called(pair):
    with pytest.raises(InputError, match=r"^mixed: expected True or False, got 'no'"):
        poisson_blend(*pair, HOLES["centre"], mixed="no")
    for threads in (1.5, "2", True):
        with pytest.raises(InputError, match=r"^threads: expected an integer >= 1, got "):
            PoissonSolver(HOLES["centre"], threads=threads)


def test_a_hole_may_have_equal_channels(pair):
    expected = poisson_blend(*pair, HOLES["free-form"])
    for channels in (1, 3):
        assert_array_equal(poisson_blend(*pair, np.stack([HOLES["free-form"]] * channels, axis=-1)), expected)


@pytest.mark.parametrize("name", ["target", "source"])
@pytest.mark.parametrize("blend", [poisson_blend, biharmonic_blend, tension_blend])
def test_a_tensor_that_wants_a_gradient_is_refused(blend, name, pair):
    images = {
        key: torch.from_numpy(image).movedim(-1, 0) for key, image in zip(("target", "source"), pair, strict=True)
    }
    expected = blend(*images.values(), HOLES["centre"])
    images[name] = images[name].clone().requires_grad_()
    with pytest.raises(InputError, match=rf"^{name}: expected a tensor without requires_grad"):
        blend(*images.values(), HOLES["centre"])
    with torch.no_grad():
        assert torch.equal(blend(*images.values(), HOLES["centre"]), expected)
