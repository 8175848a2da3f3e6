"""The kernels of every level that this processor can run, beside the lowest's; for older ones: test_processor.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from faceinpaint_fast import InpaintConfig, Inpainter, _cpu, doctor, masks, ssim, tension_blend, weight_map
from faceinpaint_fast.blend.doors import poisson_blend
from faceinpaint_fast.networks.adjoint import AdjointNetwork, differentiable
from faceinpaint_fast.networks.products import PackedProduct
from faceinpaint_fast.ops import weighted_l1

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _best_level():
    yield
    _cpu.use_level(_cpu.LEVELS[-1])


def of_levels(work):
    """What the work gives at each level, the lowest first."""
    found = []
    for level in _cpu.LEVELS:
        _cpu.use_level(level)
        found.append(work())
    return found


def assert_near_the_first(found, rtol):
    first, *others = (np.asarray(each, np.float64) for each in found)
    assert np.isfinite(first).all()
    assert first.any()
    for other in others:
        assert np.abs(other - first).max() <= rtol * np.abs(first).max()


def test_the_best_is_in_use_and_each_is_a_module_of_its_own():
    assert _cpu.LEVELS[-1] == _cpu.LEVEL
    assert len({id(each) for each in of_levels(lambda: _cpu.PackedFloat32)}) == len(_cpu.LEVELS)
    assert len({id(each) for each in of_levels(lambda: _cpu.weight_map)}) == len(_cpu.LEVELS)
    assert not set(_cpu.LEVELS) & set(_cpu.MISSING)


@pytest.mark.parametrize("name", ["avx3", "", "use_level", *_cpu.MISSING])
def test_another_level_is_refused_and_nothing_changes(name):
    before = _cpu.weight_map
    with pytest.raises(ValueError, match=f"name: expected one of LEVELS, got '{name}'"):
        _cpu.use_level(name)
    assert _cpu.weight_map is before


def test_doctor_names_the_level_and_why():
    best = _cpu.LEVELS[-1]
    told = doctor.kernels()
    assert told.startswith(best)
    assert all(f"{level} takes {what}" in told for level, what in _cpu.MISSING.items())
    if len(_cpu.LEVELS) > 1:
        _cpu.use_level(_cpu.LEVELS[0])
        assert doctor.kernels() == f"{_cpu.LEVELS[0]}, as asked for; the processor can run {best}"


def test_doctor_says_where_bfloat16_is_computed_as_float32(monkeypatch):
    monkeypatch.setattr(_cpu, "MULTIPLIES_BFLOAT16", False)
    monkeypatch.setattr(_cpu, "LEVEL", "avx2")
    assert doctor.bfloat16() == "computed as float32, which is faster on this processor"
    monkeypatch.setattr(_cpu, "MULTIPLIES_BFLOAT16", True)
    assert "float32" not in doctor.bfloat16()


@pytest.mark.parametrize("multiplies", [False, True])
def test_bf16_is_computed_as_float32_where_the_level_has_no_products_of_it(multiplies, generator, monkeypatch):
    monkeypatch.setattr(_cpu, "MULTIPLIES_BFLOAT16", multiplies)
    network = differentiable(generator.eval().requires_grad_(False), CPU, "bf16")
    assert network.dtype == (torch.bfloat16 if multiplies else torch.float32)
    # an exported program runs elsewhere
    exported = differentiable(generator, CPU, "bf16", product=PackedProduct)
    assert exported.dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("k", [3, 31])
def test_weight_maps_are_the_same_bits(dtype, k, rng):
    hole = (rng.random((2, 61, 47)) > 0.7).astype(dtype)
    first, *others = of_levels(lambda: weight_map(hole, k=k))
    for other in others:
        assert_array_equal(other, first)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_losses_and_their_gradients(dtype, rng):
    x, y, w = (torch.from_numpy(rng.random((2, 3, 41, 37))).to(dtype) for _ in range(3))

    def losses():
        at = x.clone().requires_grad_()
        loss = ssim(at, y) + weighted_l1(at, y, w)
        return loss.detach(), torch.autograd.grad(loss.sum(), at)[0]

    values, gradients = zip(*of_levels(losses), strict=True)
    assert_near_the_first(values, {torch.float32: 1e-5, torch.float64: 1e-12}[dtype])
    # a variance in float32 is a small difference of squares
    assert_near_the_first(gradients, {torch.float32: 1e-4, torch.float64: 1e-12}[dtype])


# batches of one image and of so many that Winograd's filtering takes them; float32: sums in another order, through five
# layers; bfloat16: 8 bits, and activations near a kink of ReLU, see parity.check.NETWORK
@pytest.mark.parametrize("count", [1, 9])
@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float32, 1e-5), (torch.bfloat16, 16 * 2**-8)], ids=str)
@pytest.mark.parametrize("halved", [False, True], ids=["weights", "weights of half precision"])
def test_networks(count, dtype, rtol, halved, generator):
    if halved:
        generator = generator.half().float()
    codes = torch.randn(count, 100, generator=torch.Generator().manual_seed(count))

    def drawn():
        x, pull = AdjointNetwork(generator.eval().requires_grad_(False), PackedProduct, dtype)(codes)
        return x, pull(torch.ones_like(x))

    images, gradients = zip(*of_levels(drawn), strict=True)
    assert_near_the_first(images, rtol)
    assert_near_the_first(gradients, 0.02 if dtype == torch.float32 else 0.5)


@pytest.mark.parametrize("blend", [poisson_blend, tension_blend])
@pytest.mark.parametrize(
    "missing", [masks.centre((48, 48)), masks.random_pixels((48, 48), 0.8)], ids=["centre", "80 %"]
)
def test_blends_are_within_a_grey_level(blend, missing, rng):
    target, source = rng.random((2, 48, 48, 3)).astype(np.float32)
    first, *others = of_levels(lambda: blend(target, source, missing))
    for other in others:
        assert np.abs(other - first).max() <= 1e-4  # 1/255 is promised of each


def test_searches(faces, generator, discriminator, encoder):
    hole = masks.centre((64, 64))

    def restored():
        config = InpaintConfig(stages=[(1, 2, 0.1)])
        inpainter = Inpainter(generator, discriminator, encoder=encoder, config=config, device="cpu")
        return inpainter(faces[:2], hole).image

    first, *others = (each.astype(int) for each in of_levels(restored))
    for other in others:
        assert np.abs(other - first).max() <= 1
