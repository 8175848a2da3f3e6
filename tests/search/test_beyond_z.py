"""The search over what leaves G's layers: the reference's, of a generator's own layers too, and each image alone."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from faceinpaint_fast import InpaintConfig, InputError, ModelError, Stage, masks, reference
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.search.latent_search import LatentSearch
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.problem import Problem
from faceinpaint_fast.search.starts import SPREAD, codes

CPU = torch.device("cpu")
HOLES = np.stack([masks.draw(name, (64, 64), 1) for name in ("centre", "left", "drop-80")])
SEEDS = [4, 5, 6]
SHORT = InpaintConfig(stages=[(1, 3, 0.1), (3, 2, 0.1)])


@pytest.fixture
def images(generator):
    """Pictures of the generator's own, so that there is something to find."""
    with torch.no_grad():
        z = torch.randn(3, generator.latent_size, generator=torch.Generator().manual_seed(100))
        return (generator(z) + 1) / 2


def searched(networks, images, config, holes=HOLES, seeds=SEEDS, **options):
    networks = Networks.of(*(frozen(each, CPU) for each in networks), config, CPU)
    problem = Problem.of(images, torch.from_numpy(holes), networks, config)
    return LatentSearch(networks, config, CPU)(problem, seeds, **options)


@pytest.fixture
def networks(generator, discriminator, encoder):
    return generator, discriminator, encoder


class Staged(nn.Module):
    """A generator of one's own that offers its layers: those of the reference's DCGAN."""

    latent_size = 100

    def __init__(self, generator):
        super().__init__()
        inner = reference.DCGANGenerator(width=4)
        inner.load_state_dict(generator.state_dict())
        self.stages = nn.ModuleList(inner.stages)

    def forward(self, z):
        for stage in self.stages:
            z = stage(z)
        return z


def exactly(networks, images, config, **options):
    generator, discriminator, encoder = networks
    G = Staged(generator).double().eval()
    exact = discriminator.double(), images.double(), HOLES, config
    return reference.search(G, *exact, encoder=encoder.double(), seed=SEEDS, **options)


@pytest.mark.parametrize("changes", [{}, {"lambda_d": 0.003}, {"iterations": 2, "learning_rate": 0.05}], ids=str)
def test_it_is_the_reference_s(changes, networks, images):
    """Of nearly all activations, hence the median: where a gradient is about 0, Adam's first steps are of any sign."""
    config = dataclasses.replace(SHORT, **changes)
    found, exact = searched(networks, images, config), exactly(networks, images, config)
    assert found.activations.shape == exact.activations.shape == (3, 8, 16, 16)
    assert_close(found.z.double(), exact.z, rtol=0, atol=1e-4)
    assert (found.activations - exact.activations).abs().flatten(1).median(dim=1).values.max() < 1e-4
    assert_close(found.losses[:, -1].double(), exact.losses["total"][-1], rtol=1e-3, atol=0)
    # it has moved, and gone down
    assert (exact.losses["total"][-1] < 0.95 * exact.losses["total"][0]).all()


def test_one_stage_is_the_reference_s_to_rounding(networks, images):
    config = InpaintConfig(stages=[(1, 4, 0.1)])
    found, exact = searched(networks, images, config), exactly(networks, images, config)
    assert_close(found.activations.double(), exact.activations, rtol=0, atol=1e-4)
    assert_close(found.generated.double(), exact.generated, rtol=0, atol=1e-4)


def test_what_was_found_is_what_g_makes_of_the_activations(networks, images):
    found = searched(networks, images, SHORT)
    with torch.no_grad():
        x = nn.Sequential(*Staged(networks[0]).eval().stages[3:])(found.activations)
    assert_close(found.generated, (x + 1) / 2, rtol=0, atol=1e-5)
    lambdas = torch.tensor([SHORT.lambda_d, SHORT.lambda_c, SHORT.lambda_s, SHORT.lambda_u])
    assert_close(found.losses[:, -1], found.losses[:, :-1] @ lambdas)


def test_a_generator_of_one_s_own_that_offers_its_layers_gets_it_too(networks, images):
    config = InpaintConfig(stages=[(1, 4, 0.1)])
    own = Staged(networks[0]), *networks[1:]
    found, expected = searched(own, images, config), searched(networks, images, config)
    assert_close(found.activations, expected.activations, rtol=0, atol=1e-4)
    assert_close(found.generated, expected.generated, rtol=0, atol=1e-4)


def test_layers_that_are_not_there_are_refused(networks, images):
    with pytest.raises(
        InputError, match="stages: expected layers 1 to 4, behind which the generator can be cut, got 5"
    ):
        searched(networks, images, InpaintConfig(stages=[Stage(5, 1, 0.1)]))


def test_stages_that_are_not_the_generator_are_refused(networks, images):
    class Other(Staged):
        def forward(self, z):
            return -super().forward(z)

    class Broken(Staged):
        def __init__(self, generator):
            super().__init__(generator)
            self.stages = self.stages[1:]

        def forward(self, z):
            return torch.zeros(len(z), 3, 64, 64) + 0 * z.sum()

    for kind, got in ((Other, "got other images"), (Broken, "got RuntimeError")):
        with pytest.raises(InputError, match=rf"generator.stages: expected .*{got}"):
            searched((kind(networks[0]), *networks[1:]), images, SHORT)


def test_without_a_guess_or_a_place_to_cut_z_is_searched(networks):
    generator, discriminator, encoder = (frozen(each, CPU) for each in networks)

    class Whole(nn.Module):
        latent_size = 100
        inner = generator

        def forward(self, z):
            return self.inner(z)

    over_z = InpaintConfig.over_z()
    for G, E in ((generator, None), (Whole(), encoder)):
        carried_out = Networks.of(G, discriminator, E, InpaintConfig(), CPU).carried_out(InpaintConfig())
        assert carried_out == over_z
    whole = Networks.of(generator, discriminator, encoder, InpaintConfig(), CPU)
    assert whole.carried_out(InpaintConfig()) == InpaintConfig()
    assert whole.beyond(0) is whole


def test_an_image_s_bits_are_its_own(networks, images):
    config = dataclasses.replace(SHORT, batch_invariant=True)
    found = searched(networks, images, config)
    turned = searched(networks, images.flip(0), config, HOLES[::-1].copy(), SEEDS[::-1])
    alone = searched(networks, images[1:2], config, HOLES[1:2], SEEDS[1:2])
    for name in ("z", "activations", "generated", "losses"):
        assert torch.equal(getattr(turned, name).flip(0), getattr(found, name)), name
        assert torch.equal(getattr(alone, name), getattr(found, name)[1:2]), name


@pytest.mark.parametrize("content", [0.0, float("nan")])
def test_what_the_hole_contains_does_not_matter(content, networks, images):
    holes = torch.from_numpy(HOLES)
    found = searched(networks, images.where(~holes[:, None], content), SHORT)
    assert torch.equal(found.activations, searched(networks, images, SHORT).activations)


def test_the_first_start_is_the_guess_and_the_others_are_around_it(networks, images):
    first = searched(networks, images, SHORT)
    guess, _ = Networks.of(*(frozen(each, CPU) for each in networks), SHORT, CPU).encoder(
        torch.cat([(2 * images - 1) * torch.from_numpy(~HOLES)[:, None], torch.from_numpy(~HOLES)[:, None]], dim=1)
    )
    assert torch.equal(first.z, guess)
    # seeds have no say where nothing is drawn
    assert torch.equal(searched(networks, images, SHORT, seeds=[7, 8, 9]).generated, first.generated)
    several = searched(networks, images, dataclasses.replace(SHORT, restarts=3))
    assert (several.losses[:, -1] <= first.losses[:, -1] + 1e-6).all()
    tried = [guess + SPREAD * codes(SEEDS, 3, 100, 1)[0].view(3, 3, 100)[:, r] for r in (1, 2)]
    for i, z in enumerate(several.z):
        assert min((z - start[i]).abs().max() for start in [guess, *tried]) < 1e-6


class Brittle(Staged):
    """It fails for codes beyond `limit` in their first number."""

    def __init__(self, generator, limit):
        super().__init__(generator)
        self.stages.insert(0, _Fails(limit))


class _Fails(nn.Module):
    def __init__(self, limit):
        super().__init__()
        self.limit = limit

    def forward(self, z):
        return z.where(z[:, :1] < self.limit, float("nan"))


def test_an_image_whose_search_fails_begins_again_alone(networks, images):
    config = InpaintConfig(stages=[(2, 2, 0.1), (4, 2, 0.1)])
    guesses = searched(networks, images, SHORT).z[:, 0]
    worst = int(guesses.argmax())
    limit = float(guesses.max()) - 1e-4
    assert (guesses > limit).sum() == 1
    again = codes(SEEDS, 1, 100, 4)[:, worst]
    attempt = next(i for i in range(1, 4) if again[i, 0] < limit)
    generator, *others = networks
    found = searched((Brittle(generator, limit), *others), images, config)
    well = searched((Brittle(generator, float("inf")), *others), images, config)
    assert torch.equal(found.z[worst], again[attempt])
    assert found.generated.isfinite().all()
    kept = [i for i in range(3) if i != worst]
    assert torch.equal(found.generated[kept], well.generated[kept])


def test_an_image_that_cannot_be_searched_is_named(networks, images):
    generator, *others = networks
    for config in (SHORT, dataclasses.replace(SHORT, flips=True)):
        with pytest.raises(ModelError, match=r"images\[7\]: expected a finite loss, got NaN or Inf"):
            searched((Brittle(generator, -100.0), *others), images, config, first=7)


def test_flips_are_the_mean_of_both_ways_round(networks, images):
    config = dataclasses.replace(SHORT, flips=True)
    found = searched(networks, images, config)
    straight = searched(networks, images, SHORT)
    mirrored = searched(networks, images.flip(-1), SHORT, HOLES[..., ::-1].copy())
    assert_close(found.generated, (straight.generated + mirrored.generated.flip(-1)) / 2, rtol=0, atol=1e-5)
    assert_close(found.z, straight.z)
    assert found.activations.shape == straight.activations.shape
    # a mirrored image is restored to the mirrored face
    turned = searched(networks, images.flip(-1), config, HOLES[..., ::-1].copy())
    assert_close(turned.generated.flip(-1), found.generated, rtol=0, atol=1e-5)


def test_progress_is_of_all_steps(networks, images):
    shares = []
    searched(networks, images, dataclasses.replace(SHORT, iterations=5), progress=shares.append)
    assert_close(torch.tensor(shares), torch.arange(1, 11) / 10)
