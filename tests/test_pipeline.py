"""The whole method: what `Inpainter` promises for any generator that meets the Protocol."""

from __future__ import annotations

import copy
import dataclasses
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import get_type_hints

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from skimage import data, transform
from torch import nn

from faceinpaint_fast import (
    InpaintConfig,
    Inpainter,
    Inpainting,
    InputError,
    ModelError,
    Normalization,
    _cpu,
    arrays,
    masks,
    pipeline,
    reference,
)
from faceinpaint_fast import config as config_module
from faceinpaint_fast.models import load_model
from faceinpaint_fast.networks.dcgan import DCGANEncoder
from faceinpaint_fast.reference.search import search as reference_search

# small steps: docs/architecture.md says how rounding grows
FAST = InpaintConfig.over_z(iterations=6, learning_rate=0.03, lambda_d=0.003)
BEYOND = InpaintConfig(stages=[(1, 3, 0.1)])
NAMES = ("centre", "left", "drop-80")
HOLES = np.stack([masks.draw(name, (64, 64)) for name in NAMES])


@pytest.fixture(scope="module")
def faces():
    """Three cuts of a photograph, float32 in [0, 1]."""
    photograph = data.astronaut() / 255
    cuts = (photograph[:200, 120:320], photograph[40:140, 170:270], photograph[200:400, 200:400])
    return np.stack([transform.resize(cut, (64, 64), anti_aliasing=True) for cut in cuts]).astype(np.float32)


@pytest.fixture
def inpainter(generator, discriminator, encoder):
    return Inpainter(generator, discriminator, encoder=encoder, config=FAST, device="cpu")


def same(one, other):
    for name in ("image", "generated", "z", "activations"):
        assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name, loss in one.losses.items():
        assert_array_equal(loss, other.losses[name], err_msg=name)


def part(inpainting, i):
    return dataclasses.replace(
        inpainting,
        image=inpainting.image[i],
        generated=inpainting.generated[i],
        z=inpainting.z[i],
        activations=None if inpainting.activations is None else inpainting.activations[i],
        losses={name: loss[i] for name, loss in inpainting.losses.items()},
    )


@pytest.mark.parametrize(
    "config",
    [
        FAST,
        dataclasses.replace(InpaintConfig.paper(), iterations=6),
        dataclasses.replace(FAST, restarts=3),
        dataclasses.replace(FAST, start="random"),
        dataclasses.replace(FAST, optimiser="adam", schedule="cosine", learning_rate=0.01),
        dataclasses.replace(FAST, blend="none", k=3, alpha=5.0, lambda_d=0.0),
        dataclasses.replace(FAST, blend="biharmonic"),
        dataclasses.replace(FAST, blend="tension", tension=3.0, lambda_z=0.1),
    ],
    ids=[
        "default",
        "paper",
        "restarts",
        "from random codes",
        "decayed Adam from the guess",
        "stitched",
        "biharmonic",
        "tension and prior",
    ],
)
def test_is_the_reference_s(config, faces, generator, discriminator, encoder):
    networks = generator, discriminator
    found = Inpainter(*networks, encoder=encoder, config=config, device="cpu")(faces, HOLES, seed=[1, 2, 3])
    exact_networks = (network.double() for network in networks)
    restore = reference.Inpainter(*exact_networks, encoder=encoder.double(), config=config)
    exact = restore(faces, HOLES, seed=[1, 2, 3])
    # z within the contract's 1e-4 after few iterations; what is drawn from it varies about as much
    assert_allclose(found.z, exact.z, atol=1e-4)
    assert_allclose(found.generated, exact.generated, atol=1e-3)
    assert_allclose(found.image, exact.image, atol=1 / 255)
    assert set(found.losses) == set(exact.losses) == {"discriminator", "context", "structural", "prior", "total"}
    for name, loss in exact.losses.items():
        assert_allclose(found.losses[name], loss, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("changes", [{}, {"flips": True}, {"symmetry": True}], ids=["default", "flips", "symmetry"])
def test_beyond_z_it_is_the_reference_s(changes, faces, generator, discriminator, encoder):
    config = dataclasses.replace(BEYOND, **changes)
    found = Inpainter(generator, discriminator, encoder=encoder, config=config, device="cpu")(faces, HOLES)
    exact_generator = reference.DCGANGenerator(width=4)
    exact_generator.load_state_dict(generator.state_dict())
    networks = (network.double().eval() for network in (exact_generator, discriminator))
    exact = reference.Inpainter(*networks, encoder=encoder.double(), config=config)(faces, HOLES)
    assert_allclose(found.activations, exact.activations, atol=1e-4)
    assert_allclose(found.z, exact.z, atol=1e-5)
    assert_allclose(found.generated, exact.generated, atol=1e-3)
    assert_allclose(found.image, exact.image, atol=1 / 255)
    for name, loss in exact.losses.items():
        assert_allclose(found.losses[name], loss, rtol=1e-3, atol=1e-4)


def test_activations_are_as_the_images_are(faces, generator, discriminator, encoder):
    inpainter = Inpainter(generator, discriminator, encoder=encoder, config=BEYOND, device="cpu")
    found, planes = inpainter(faces, HOLES), torch.from_numpy(faces).movedim(-1, 1)
    assert found.activations.shape == (3, 32, 4, 4)
    assert found.activations.dtype == np.float32
    of_torch = inpainter(planes, HOLES).activations
    assert isinstance(of_torch, torch.Tensor)
    assert_array_equal(of_torch, found.activations)
    assert inpainter(faces[0], HOLES[0]).activations.shape == (32, 4, 4)
    invariant = dataclasses.replace(BEYOND, batch_invariant=True)
    own = Inpainter(NoDCGAN(generator), discriminator, encoder=encoder, config=invariant, device="cpu")
    assert own.config.stages == ()
    assert own(faces, HOLES).activations is None


def test_a_search_starts_near_the_encoder_s_guess_and_is_held_there(faces, generator, discriminator, encoder):
    """One iteration finds its start: the guess itself."""
    known = torch.from_numpy(~HOLES)[:, None]
    seen = torch.cat([(2 * torch.from_numpy(faces).permute(0, 3, 1, 2) - 1) * known, known], dim=1)
    with torch.no_grad():
        guess = encoder(seen.float()).numpy()
    drawn = np.stack([torch.randn(100, generator=torch.Generator().manual_seed(seed)).numpy() for seed in (1, 2, 3)])

    def found(**settings):
        config = dataclasses.replace(FAST, **settings)
        networks = generator, discriminator
        return Inpainter(*networks, encoder=encoder, config=config, device="cpu")(faces, HOLES, seed=[1, 2, 3])

    assert np.abs(guess).max() > 0.1
    assert_allclose(found(iterations=1).z, guess, atol=1e-5)
    assert_allclose(found(iterations=1, start="random").z, drawn, atol=1e-6)
    # a prior that outweighs all else ends at the guess, and says how far it is
    held = found(iterations=30, lambda_z=1e3)
    assert_allclose(held.z, guess, atol=1e-3)
    assert (held.losses["prior"] < 1e-6).all()


def test_without_an_encoder_a_search_starts_at_random(faces, generator, discriminator, encoder):
    networks, random = (generator, discriminator), dataclasses.replace(FAST, start="random")
    expected = Inpainter(*networks, config=random, device="cpu")(faces, HOLES)
    same(Inpainter(*networks, config=FAST, device="cpu")(faces, HOLES), expected)
    same(Inpainter(*networks, encoder=encoder, config=random, device="cpu")(faces, HOLES), expected)


def test_known_pixels_are_identical_and_missing_ones_are_filled(faces, inpainter):
    before = faces.copy()
    found = inpainter(faces, HOLES)
    assert_array_equal(found.image[~HOLES], faces[~HOLES])
    assert (np.abs(found.image - faces)[HOLES].max(axis=-1) > 0).mean() > 0.99
    assert found.image.min() >= 0
    assert found.image.max() <= 1
    assert_array_equal(faces, before)


def test_what_the_hole_contains_does_not_matter(faces, inpainter, rng):
    found = inpainter(faces, HOLES)
    for content in (0, 1, np.nan, np.inf, rng.random(faces.shape)[HOLES]):
        other = faces.copy()
        other[HOLES] = content
        same(inpainter(other, HOLES), found)


def test_one_that_iterates_otherwise_has_the_same_networks(faces, generator, discriminator, encoder, inpainter):
    longer = inpainter.iterating(9)
    assert (longer.config.iterations, inpainter.config.iterations) == (9, 6)
    assert longer._networks is inpainter._networks
    config = dataclasses.replace(FAST, iterations=9)
    made = Inpainter(generator, discriminator, encoder=encoder, config=config, device="cpu")
    same(longer(faces, HOLES, seed=3), made(faces, HOLES, seed=3))
    # and leaves the other as it was
    before = Inpainter(generator, discriminator, encoder=encoder, config=FAST, device="cpu")
    same(inpainter(faces, HOLES, seed=3), before(faces, HOLES, seed=3))
    with pytest.raises(InputError, match="iterations: "):
        inpainter.iterating(0)


def test_neighbours_and_order_do_not_matter(faces, inpainter):
    found = inpainter(faces, HOLES, seed=[1, 2, 3])
    order = [2, 0, 1]
    turned = inpainter(faces[order], HOLES[order], seed=[3, 1, 2])
    for here, there in enumerate(order):
        same(part(turned, here), part(found, there))
    others = inpainter(np.stack([faces[0], faces[0] * 0.5, faces[1]]), HOLES[[0, 2, 2]], seed=[1, 9, 9])
    same(part(others, 0), part(found, 0))


class NoDCGAN(nn.Module):
    """The same network, of which nothing is known."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.latent_size = inner, getattr(inner, "latent_size", None)

    def forward(self, z):
        return self.inner(z)


@pytest.mark.parametrize("network", [lambda generator: generator, NoDCGAN], ids=["DCGAN", "another"])
def test_batch_invariant_alone_as_in_a_batch_of_three(network, faces, generator, discriminator, encoder):
    config = dataclasses.replace(FAST, batch_invariant=True, restarts=2)
    inpainter = Inpainter(network(generator), discriminator, encoder=encoder, config=config, device="cpu")
    found = inpainter(faces, HOLES, seed=[1, 2, 3])
    for i in range(3):
        same(inpainter(faces[i], HOLES[i], seed=i + 1), part(found, i))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_on_a_cpu_neither_size_nor_order_nor_threads_change_a_bit(
    precision, rng, generator, discriminator, encoder, monkeypatch
):
    """In 43 images: more than torch's vectors of 32 numbers, and a number that no number of threads divides."""
    # more threads than there may be cores
    monkeypatch.setattr(arrays, "core_count", lambda: 64)
    count = 43
    images = rng.random((count, 64, 64, 3)).astype(np.float32)
    holes = np.stack([masks.random_pixels((64, 64), 0.1 + 0.02 * i, i) for i in range(count)])
    seeds = np.arange(count)
    config = InpaintConfig(iterations=3, lambda_d=0.003, precision=precision, batch_invariant=True)
    inpainter = Inpainter(generator, discriminator, encoder=encoder, config=config, device="cpu")
    found = inpainter(images, holes, seed=seeds)
    try:
        for threads, places in ((1, rng.permutation(count)), (3, rng.permutation(count)), (5, range(7)), (2, [42])):
            torch.set_num_threads(threads)
            some = list(places)
            same(inpainter(images[some], holes[some], seed=seeds[some]), part(found, some))
    finally:
        torch.set_num_threads(1)


def test_a_search_keeps_torch_to_one_thread_and_its_own_kernels_have_all(faces, generator, discriminator, monkeypatch):
    monkeypatch.setattr(arrays, "core_count", lambda: 64)
    seen = set()
    inpainter = Inpainter(generator, discriminator, config=FAST, device="cpu")
    torch.set_num_threads(3)
    try:
        inpainter(faces[0], HOLES[0], progress=lambda _: seen.add((torch.get_num_threads(), arrays.thread_count())))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)
    assert seen == {(1, 3)}


def test_the_same_seed_gives_the_same_bits_and_another_does_not(faces, generator, discriminator):
    inpainter = Inpainter(generator, discriminator, config=FAST, device="cpu")
    found = inpainter(faces, HOLES, seed=4)
    same(inpainter(faces, HOLES, seed=[4, 4, 4]), found)
    assert not np.array_equal(inpainter(faces, HOLES, seed=5).z, found.z)


def test_modules_are_left_alone_and_batchnorm_stays_in_eval_mode(faces, generator, discriminator):
    generator.train()
    before = copy.deepcopy(generator.state_dict())
    inpainter = Inpainter(generator, discriminator, config=FAST, device="cpu")
    found = inpainter(faces, HOLES)
    assert generator.training
    assert all(p.requires_grad for p in generator.parameters())
    for name, tensor in generator.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    same(Inpainter(generator.eval(), discriminator, config=FAST, device="cpu")(faces, HOLES), found)
    assert not inpainter.generator.training
    assert inpainter.config == FAST


def test_kinds_of_arrays(faces, inpainter):
    found = inpainter(faces, HOLES)
    planes = torch.from_numpy(faces).movedim(-1, 1)
    turned = inpainter(planes, torch.from_numpy(HOLES))
    assert isinstance(turned.image, torch.Tensor)
    assert isinstance(turned.losses["total"], torch.Tensor)
    assert_array_equal(turned.image.movedim(1, -1).numpy(), found.image)
    assert_array_equal(turned.generated.movedim(1, -1).numpy(), found.generated)
    assert_array_equal(turned.z.numpy(), found.z)

    single = inpainter(faces[0], HOLES[0])
    assert single.image.shape == single.generated.shape == (64, 64, 3)
    assert single.z.shape == (100,)
    assert single.losses["total"].shape == ()

    halves = faces.astype(np.float16)
    of_halves = inpainter(halves, HOLES)
    assert of_halves.image.dtype == np.float16
    assert_array_equal(of_halves.image[~HOLES], halves[~HOLES])

    levels = np.round(faces * 255).astype(np.uint8)
    eight_bit = inpainter(levels, HOLES)
    assert eight_bit.image.dtype == eight_bit.generated.dtype == np.uint8
    assert_array_equal(eight_bit.image[~HOLES], levels[~HOLES])
    exact = inpainter(levels / np.float32(255), HOLES)
    assert_array_equal(eight_bit.generated, np.round(exact.generated * 255).astype(np.uint8))


def test_one_hole_for_all(faces, inpainter):
    same(inpainter(faces, HOLES[0]), inpainter(faces, np.stack([HOLES[0]] * 3)))


def test_the_best_of_the_restarts_is_kept(faces, generator, discriminator):
    inpainter = Inpainter(generator, discriminator, config=dataclasses.replace(FAST, restarts=4), device="cpu")
    assert (
        inpainter(faces, HOLES).losses["total"]
        < Inpainter(generator, discriminator, config=FAST, device="cpu")(faces, HOLES).losses["total"] + 1e-5
    ).all()


def test_bf16_networks_give_nearly_the_same(faces, generator, discriminator):
    one = dataclasses.replace(FAST, iterations=1)
    full = Inpainter(generator, discriminator, config=one, device="cpu")(faces, HOLES)
    half = Inpainter(generator, discriminator, config=dataclasses.replace(one, precision="bf16"), device="cpu")(
        faces, HOLES
    )
    assert not np.array_equal(half.generated, full.generated)
    # bf16 keeps 8 bits: about 0.4 % a layer
    assert_allclose(half.losses["total"], full.losses["total"], rtol=0.05)


def test_an_empty_hole_returns_the_input_and_says_so(faces, inpainter):
    hole = np.zeros((64, 64), np.bool_)
    with pytest.warns(UserWarning, match="hole: expected a missing pixel, got none"):
        assert_array_equal(inpainter(faces[0], hole).image, faces[0])


def test_any_modules_that_meet_the_protocol():
    class Ramp(nn.Module):
        latent_size = 2

        def forward(self, z):
            ramp = torch.linspace(-1, 1, 16)
            return torch.tanh(z[:, :1, None, None] * ramp + z[:, 1:, None, None]).expand(-1, 3, 12, 16)

    class Indifferent(nn.Module):
        def forward(self, x):
            return 0 * x.mean(dim=(1, 2, 3))

    with torch.no_grad():
        truth = ((Ramp()(torch.tensor([[0.7, -0.3]])) + 1) / 2)[0]
    hole = torch.from_numpy(masks.centre((12, 16)))
    found = Inpainter(Ramp(), Indifferent(), config=InpaintConfig(iterations=150, restarts=4))(truth, hole)
    assert (found.image - truth).abs().max() < 0.02
    assert (found.z - torch.tensor([0.7, -0.3])).abs().max() < 0.05


@pytest.mark.parametrize(
    ("images", "holes", "message"),
    [
        (np.zeros((32, 32, 3)), HOLES[0], r"images: expected 64x64 pixels with 3 channels, .* got \(32, 32, 3\)"),
        (np.zeros((64, 64, 4)), HOLES[0], r"images: expected 64x64 .* got \(64, 64, 4\)"),
        (np.zeros((64, 64)), HOLES[0], "images: expected shape"),
        (np.zeros((0, 64, 64, 3)), HOLES[0], "images: expected shape .* not empty"),
        (np.zeros((64, 64, 3), int), HOLES[0], "images: expected float or uint8, got int64"),
        (np.full((64, 64, 3), 255.0), HOLES[0], r"images: expected float in \[0, 1\] or uint8, got 0 to 255"),
        (np.full((2, 64, 64, 3), [[[[0.0]]], [[[np.nan]]]]), HOLES[0], r"images\[1\]: expected finite numbers"),
        (np.zeros((64, 64, 3)), HOLES[0, :32], r"hole: expected shape \(64, 64\), got \(32, 64\)"),
        (np.zeros((64, 64, 3)), HOLES, r"hole: expected shape \(64, 64\), got \(3, 64, 64\)"),
        (np.zeros((2, 64, 64, 3)), HOLES, r"hole: expected shape .* got \(3, 64, 64\)"),
        (np.zeros((64, 64, 3)), np.ones((64, 64)), "hole: expected at least one known pixel"),
        (np.zeros((64, 64, 3)), np.full((64, 64), np.nan), "hole: expected numbers, got NaN"),
        (
            torch.zeros(64, 64, 3),
            HOLES[0],
            r"images: expected 64x64 .* in shape \(3, 64, 64\) or \(B, 3, 64, 64\), got \(64, 64, 3\)",
        ),
    ],
)
def test_bad_input_is_named(images, holes, message, inpainter):
    with pytest.raises(InputError, match=message):
        inpainter(images, holes)


def test_other_bad_arguments(faces, inpainter, generator, discriminator):
    with pytest.raises(InputError, match="seed: expected one, or one for each of 3 images, got 2"):
        inpainter(faces, HOLES, seed=[1, 2])
    with pytest.raises(InputError, match="device: expected auto or a device at hand"):
        Inpainter(generator, discriminator, device="abacus")
    with pytest.raises(InputError, match="generator: expected a module with a latent_size, got DCGANDiscriminator"):
        Inpainter(discriminator, discriminator)
    with pytest.raises(InputError, match="discriminator: expected a torch module, got function"):
        Inpainter(generator, lambda x: x.mean(dim=(1, 2, 3)))
    with pytest.raises(ModelError, match="expected a model folder"):
        Inpainter.from_pretrained("/nowhere")
    with pytest.raises(InputError, match=r"normalization: expected bounds, masked or none .*, got 'model'"):
        Inpainter(generator, discriminator, config=InpaintConfig.paper(normalization="model"))


def test_a_blend_that_nobody_has_written_is_an_error_before_any_search(generator, discriminator, monkeypatch):
    monkeypatch.setitem(config_module.CHOICES, "blend", (*config_module.CHOICES["blend"], "membrane"))
    config = InpaintConfig(blend="membrane")
    with pytest.raises(InputError, match=r"^blend: expected one that is written, poisson, .*, got 'membrane'$"):
        Inpainter(generator, discriminator, config=config, device="cpu")


def test_a_model_s_own_bounds(faces):
    """`normalization="model"` is the paper's form with what calibration found for the model at hand."""
    model = load_model()
    asked = InpaintConfig.paper(normalization="model", iterations=2)
    inpainter = Inpainter.of(model, config=asked, device="cpu")
    assert inpainter.config == InpaintConfig.paper(normalization=model.config.normalization, iterations=2)
    assert model.config.normalization != Normalization.PAPER
    same(
        Inpainter.from_pretrained(config=asked, device="cpu")(faces, HOLES),
        Inpainter.from_pretrained(config=inpainter.config, device="cpu")(faces, HOLES),
    )


@pytest.mark.parametrize("invariant", [False, True])
def test_an_image_that_ends_in_nan_is_named(invariant, faces, generator, discriminator):
    """Only the last z^ is bad, so no iteration sees it: the check at the end does."""

    class Counting(nn.Module):
        latent_size, calls = generator.latent_size, 0

        def forward(self, z):
            self.calls += 1
            # the first call asks for the size; then an iteration and a final look, alone or all together
            last = self.calls == (7 if invariant else 3)
            return generator(z) * (torch.tensor([1.0, 1.0, torch.nan])[-len(z) :, None, None, None] if last else 1.0)

    config = dataclasses.replace(FAST, iterations=1, batch_invariant=invariant)
    with pytest.raises(ModelError, match=r"images\[2\]: expected a finite loss"):
        Inpainter(Counting(), discriminator, config=config, device="cpu")(faces, HOLES)


def test_the_best_finite_restart_is_kept(faces, generator, discriminator):
    class Brittle(nn.Module):
        latent_size = generator.latent_size

        def forward(self, z):
            return generator(z).where((z[:, 0] < 0.5)[:, None, None, None], torch.nan)

    config = dataclasses.replace(FAST, iterations=1, restarts=8, learning_rate=1e-3)
    found = Inpainter(Brittle(), discriminator, config=config, device="cpu")(faces[0], HOLES[0])
    assert np.isfinite(found.losses["total"])
    assert found.z[0] < 0.5


def test_progress_ends_at_one(faces, generator, discriminator):
    for invariant in (False, True):
        config = dataclasses.replace(FAST, batch_invariant=invariant)
        shares = []
        Inpainter(generator, discriminator, config=config, device="cpu")(faces, HOLES, progress=shares.append)
        assert shares == sorted(shares)
        assert shares[-1] == 1


def test_the_printed_normalization_stalls_outside_its_bounds(faces, generator, discriminator):
    """Parity with the paper includes its dead gradient: without D, nothing moves."""
    bounds = Normalization(s_min=0.99, s_max=0.999, c_min=0.1, c_max=0.2)
    config = dataclasses.replace(InpaintConfig.paper(), iterations=5, lambda_d=0.0, normalization=bounds)
    found = Inpainter(generator, discriminator, config=config, device="cpu")(faces[0], HOLES[0], seed=3)
    start = torch.randn(1, 100, generator=torch.Generator().manual_seed(3))[0]
    assert_array_equal(found.z, start.numpy())


def test_warmed_up_it_packs_nothing_more(faces, generator, discriminator, encoder, monkeypatch):
    """Winograd's weights, which a CPU packs with the first large batch; batches of one have no use for them."""
    packed = []
    for name in ("WinogradDoubling", "WinogradHalving"):
        pack = getattr(_cpu, name)
        monkeypatch.setattr(_cpu, name, lambda *args, pack=pack: packed.append(1) or pack(*args))
    inpainter = Inpainter(generator, discriminator, encoder=encoder, config=FAST, device="cpu")
    inpainter.warm_up(8)
    beforehand = len(packed)
    assert beforehand > 0
    for holes in (HOLES[0], HOLES[2]):
        inpainter(np.concatenate([faces] * 3)[:8], holes)
    assert len(packed) == beforehand


def test_an_encoder_of_another_generator_is_refused(generator, discriminator):
    encoder = DCGANEncoder(width=2, latent_size=7)
    with pytest.raises(InputError, match=r"encoder: expected a code \(1, 100\) for one image, got \(1, 7\)"):
        Inpainter(generator, discriminator, encoder=encoder, device="cpu")
    # where it has no part in the search it may be any
    Inpainter(generator, discriminator, encoder=encoder, config=InpaintConfig.paper(), device="cpu")


def test_a_batch_to_warm_up_for_has_images(inpainter):
    with pytest.raises(InputError, match="batch: expected an integer >= 1, got 0"):
        inpainter.warm_up(0)


def test_loading_imports_no_compiler():
    """torch's takes longer to import than a model to load."""
    code = (
        "import sys, torch; before = 'torch._dynamo' in sys.modules; from faceinpaint_fast import Inpainter;"
        "Inpainter.from_pretrained(device='cpu'); assert not before; assert 'torch._dynamo' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_threads_may_share_an_inpainter(faces, inpainter):
    """Eight at once, each with a seed of its own: what each gets is what it would get alone."""
    expected = [inpainter(faces, HOLES, seed=seed) for seed in range(8)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda seed: inpainter(faces, HOLES, seed=seed % 8), range(32)))
    for number, each in enumerate(found):
        same(each, expected[number % 8])


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1, 1.5, None, "a", b"1", True, [1.5], [[1]], ["a"]], ids=repr)
def test_what_is_no_seed_is_refused_by_name(seed, faces, inpainter):
    with pytest.raises(
        InputError, match=r"^seed: expected an integer >= -9223372036854775808 and <= 1844674407370955161"
    ):
        inpainter(faces[0], HOLES[0], seed=seed)


def test_seeds_may_be_any_library_s(faces, inpainter):
    expected = inpainter(faces, HOLES, seed=[2**64 - 1, -5, 3])
    for seeds in (np.array([2**64 - 1, 2**64 - 5, 3], np.uint64), torch.tensor([-1, -5, 3]), (-1, np.int8(-5), 3)):
        same(inpainter(faces, HOLES, seed=seeds), expected)
    same(inpainter(faces, HOLES, seed=torch.tensor(4)), inpainter(faces, HOLES, seed=4))


def test_what_rounding_left_outside_0_to_1_is_clipped(faces, inpainter):
    images = faces.copy()
    images[:, 0], images[:, 1] = 0, 1
    expected = inpainter(images, HOLES)
    images[:, 0], images[:, 1] = np.float32(-1e-7), np.float32(1.0000001)
    found = inpainter(images, HOLES)
    assert_array_equal(found.z, expected.z)
    assert_array_equal(found.image[HOLES], expected.image[HOLES])
    # known pixels bit for bit all the same
    assert_array_equal(found.image[~HOLES], images[~HOLES])
    images[1, 1] = 1.00001
    with pytest.raises(
        InputError, match=r"^images: expected float in \[0, 1\] or uint8, got -1\.00000001e-07 to 1\.00001"
    ):
        inpainter(images, HOLES)


def test_a_nan_is_named_by_its_place(faces, inpainter):
    faces = faces.copy()
    faces[2, 5, 60, 1] = np.nan
    with pytest.raises(InputError, match=r"^images\[2\]: expected finite numbers, got NaN or Inf at row 5, column 60$"):
        inpainter(faces, HOLES[0])


def test_a_tensor_that_wants_a_gradient_is_refused(faces, inpainter):
    """There is none through a search, and torch would not say so."""
    images = torch.from_numpy(faces).movedim(-1, 1).requires_grad_()
    with pytest.raises(InputError, match=r"^images: expected a tensor without requires_grad"):
        inpainter(images, HOLES)
    with pytest.raises(InputError, match=r"^start: expected a tensor without requires_grad"):
        inpainter(faces, HOLES, start=torch.zeros(100, requires_grad=True))
    with torch.no_grad():
        assert_array_equal(inpainter(images, HOLES).z, inpainter(faces, HOLES).z)


def test_other_arguments_are_checked(faces, generator, discriminator, inpainter):
    with pytest.raises(InputError, match=r"^config: expected an InpaintConfig, got None"):
        Inpainter(generator, discriminator, config=None)
    with pytest.raises(InputError, match=r"^config: expected an InpaintConfig, got 'paper'"):
        Inpainter.from_pretrained(config="paper")
    with pytest.raises(InputError, match=r"^model: expected a Model, got str"):
        Inpainter.of("model", config=InpaintConfig())
    with pytest.raises(InputError, match=r"^encoder: expected a torch module, got str"):
        Inpainter(generator, discriminator, encoder="E", device="cpu")
    with pytest.raises(InputError, match=r"^device: expected auto or a device at hand, got None"):
        Inpainter(generator, discriminator, device=None)
    with pytest.raises(InputError, match=r"^batch: expected an integer >= 1, got 1\.5"):
        inpainter.warm_up(1.5)
    with pytest.raises(InputError, match=r"^model: expected a path or the name of a model, got 3"):
        Inpainter.from_pretrained(3)
    with pytest.raises(InputError, match=r"^images: expected an array, got a str, 'face\.png'"):
        inpainter("face.png", HOLES[0])
    with pytest.raises(InputError, match=r"^hole: expected an array, got a str, 'centre'"):
        inpainter(faces[0], "centre")


def test_a_result_is_generic_over_the_kind_of_array():
    hints = get_type_hints(Inpainter.__call__, vars(pipeline))
    assert hints["return"] == Inpainting[hints["images"]]
    assert get_type_hints(Inpainting, vars(pipeline))["z"] == hints["images"]


@pytest.mark.parametrize("flips", [False, True])
def test_a_spread_makes_seeds_differ(faces, generator, discriminator, encoder, flips):
    """In one iteration a start is found itself: the guess, and as far from it as the seed's draw says."""
    config = dataclasses.replace(FAST, iterations=1, flips=flips)
    one = Inpainter(generator, discriminator, encoder=encoder, config=config, device="cpu")
    guess = one(faces, HOLES, seed=[1, 2, 3]).z
    assert_array_equal(one(faces, HOLES, seed=[4, 5, 6]).z, guess)
    found = one(faces, HOLES, seed=[1, 2, 3], spread=[0, 0.5, 1])
    drawn = np.stack([torch.randn(100, generator=torch.Generator().manual_seed(seed)).numpy() for seed in (1, 2, 3)])
    assert_array_equal(found.z[0], guess[0])
    assert_allclose(found.z[1:], guess[1:] + np.array([[0.5], [1]]) * drawn[1:], atol=1e-5)
    # one for all, alone as in company
    assert_array_equal(one(faces, HOLES, seed=[1, 2, 3], spread=0.5).z[1], found.z[1])
    for bad in (-0.1, 1.5, np.nan, "0.5", True, [0.1, 0.2]):
        with pytest.raises(InputError, match="spread: expected"):
            one(faces, HOLES, spread=bad)


def test_a_search_may_begin_at_a_code(faces, generator, discriminator, encoder):
    """In one iteration it is found itself; later it is where the reference gets to from there."""
    start = np.random.default_rng(1).normal(size=(3, 100)).astype(np.float32)
    one = Inpainter(generator, discriminator, config=dataclasses.replace(FAST, iterations=1), device="cpu")
    assert_array_equal(one(faces, HOLES, start=start).z, start)
    assert_array_equal(one(faces, HOLES, start=start[1]).z, np.stack([start[1]] * 3))
    assert_array_equal(one(faces[1], HOLES[1], start=torch.from_numpy(start[1]).double()).z, start[1])
    image, z0 = torch.from_numpy(faces).movedim(-1, 1).double(), torch.from_numpy(start).double()
    networks = (copy.deepcopy(network).double() for network in (generator, discriminator))
    config = dataclasses.replace(FAST, iterations=4, optimiser="adam", learning_rate=0.01)
    found = Inpainter(generator, discriminator, encoder=encoder, config=config, device="cpu")(faces, HOLES, start=start)
    exact = reference_search(*networks, image, HOLES, config, encoder=copy.deepcopy(encoder).double(), z0=z0)
    assert_allclose(found.z, exact.z, atol=1e-4)


def test_a_search_goes_on_from_a_former_result(faces, inpainter):
    first = inpainter(faces, HOLES)
    second = inpainter(faces, HOLES, start=first)
    # the same loss is minimised, from there on
    assert (second.losses["total"] < first.losses["total"]).all()
    planes = torch.from_numpy(faces).movedim(-1, 1)
    of_torch = inpainter(planes, HOLES, start=inpainter(planes, HOLES))
    assert_array_equal(of_torch.z, second.z)
    alone = inpainter(faces[0], HOLES[0])
    same(inpainter(faces, HOLES, start=alone), inpainter(faces, HOLES, start=alone.z))


@pytest.mark.parametrize("invariant", [False, True])
def test_a_start_is_an_image_s_own(invariant, faces, generator, discriminator, encoder):
    config = dataclasses.replace(FAST, restarts=2, batch_invariant=invariant)
    inpainter = Inpainter(NoDCGAN(generator), discriminator, encoder=encoder, config=config, device="cpu")
    start = inpainter(faces, HOLES).z
    found = inpainter(faces, HOLES, seed=[1, 2, 3], start=start)
    order = [2, 0, 1]
    turned = inpainter(faces[order], HOLES[order], seed=[3, 1, 2], start=start[order])
    for here, there in enumerate(order):
        same(part(turned, here), part(found, there))


@pytest.mark.parametrize(
    ("start", "got"),
    [
        (np.zeros(99), r"float64 of \(99,\)"),
        (np.zeros((2, 100)), r"float64 of \(2, 100\)"),
        (np.zeros((3, 2, 100)), r"float64 of \(3, 2, 100\)"),
        (np.zeros(100, int), r"int64 of \(100,\)"),
        (np.full(100, np.nan), "NaN or Inf"),
        (np.full(100, 1e39), "NaN or Inf"),
        ("z", "a str, 'z'"),
    ],
)
def test_what_is_no_start_is_refused_by_name(start, got, faces, inpainter):
    with pytest.raises(InputError, match=rf"^start: expected .* got {got}"), np.errstate(over="ignore"):
        inpainter(faces, HOLES, start=start)


def test_a_single_image_s_start_is_a_single_code(faces, inpainter):
    with pytest.raises(InputError, match=r"^start: expected float of shape \(100,\), got float64 of \(1, 100\)"):
        inpainter(faces[0], HOLES[0], start=np.zeros((1, 100)))
