"""The search on a generator small enough to know what to find."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from faceinpaint_fast.config import InpaintConfig, Normalization
from faceinpaint_fast.reference import objective, search, starts, weight_map
from faceinpaint_fast.reference.search import step_sizes

Networks = tuple[nn.Module, nn.Module]

CONFIG = InpaintConfig(iterations=10, optimiser="adam", schedule="cosine", lambda_d=0.01, k=3, alpha=5.0)
# batches of another size add up in another order; 10 steps of Adam hardly amplify that in float64
ROUNDING = {"rtol": 1e-9, "atol": 1e-9}


def truth(G: nn.Module, images: int) -> tuple[Tensor, Tensor]:
    """Latent codes (B, 6) and what G draws of them, (B, 3, 16, 16) in [0, 1]."""
    z = torch.randn(images, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    training = G.training
    with torch.no_grad():
        x = (G.eval()(z) + 1) / 2
    G.train(training)
    return z, x


def holes(images: int) -> np.ndarray:
    result = np.zeros((images, 16, 16), bool)
    for i in range(images):
        result[i, 4 : 10 + i, 5:11] = True
    return result


# bounds wide enough that both losses have a slope at the start
@pytest.mark.parametrize("normalization", ["masked", Normalization(-1.0, 1.0, 1.0, 5000.0)], ids=["masked", "printed"])
@pytest.mark.parametrize(("optimiser", "schedule"), [("adam", "constant"), ("adam", "cosine"), ("bfgs", "constant")])
def test_finds_what_the_generator_drew(
    optimiser: str, schedule: str, normalization: Normalization | str, networks: Networks
) -> None:
    z, x = truth(networks[0], images=4)
    config = InpaintConfig(
        iterations=150,
        stages=(),
        optimiser=optimiser,
        schedule=schedule,
        learning_rate=0.1,
        lambda_d=0,
        lambda_c=0.8,
        lambda_s=0.2,
        lambda_z=0,
        normalization=normalization,
        restarts=4,
    )
    found = search(*networks, x, holes(4), config, seed=3)
    start, end = found.losses["total"][0], found.losses["total"][-1]
    assert (end < 0.5 * start).all()
    distance = (found.z - z).norm(dim=1)
    assert (distance < 0.5 * z.norm(dim=1)).all()
    assert (found.generated - x).abs().mean() < 0.05


def test_steps_are_adams_by_hand(networks: Networks) -> None:
    G, D = networks
    _, x = truth(G, images=2)
    z0 = torch.randn(2, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = search(G, D, x, holes(2), CONFIG, z0=z0)

    known = torch.tensor(~holes(2), dtype=torch.float64)
    W = torch.tensor(weight_map(holes(2), k=3, alpha=5.0))
    z, m, v = z0.clone(), torch.zeros_like(z0), torch.zeros_like(z0)
    totals = []
    G.eval()
    for t in range(11):
        z.requires_grad_()
        losses = objective(G(z), D, x * known[:, None], known, W, CONFIG, z)
        totals.append(losses["total"].detach())
        (g,) = torch.autograd.grad(losses["total"].sum(), z)
        z = z.detach()
        if t == 10:
            break
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        step = 0.2 * (1 + math.cos(math.pi * t / 10)) / 2
        z = z - step * (m / (1 - 0.9 ** (t + 1))) / ((v / (1 - 0.999 ** (t + 1))).sqrt() + 1e-8)
    assert_close(found.z, z, **ROUNDING)
    assert_close(found.losses["total"], torch.stack(totals), **ROUNDING)
    assert_close(found.generated, (G(z).detach() + 1) / 2, **ROUNDING)
    assert found.losses.keys() == {"discriminator", "context", "structural", "prior", "total"}


def test_z_is_clipped_after_every_step(networks: Networks) -> None:
    _, x = truth(networks[0], images=2)
    z0 = torch.full((2, 6), 0.3, dtype=torch.float64)
    config = replace(CONFIG, iterations=1, z_max=0.35)
    free, clipped = (search(*networks, x, holes(2), c, z0=z0) for c in (replace(config, z_max=math.inf), config))
    assert free.z.abs().max() > 0.36
    assert torch.equal(clipped.z, free.z.clamp(-0.35, 0.35))


def test_step_sizes() -> None:
    constant, decayed = InpaintConfig(schedule="constant"), InpaintConfig(schedule="cosine")
    assert step_sizes(0.5, 4, constant) == [0.5] * 4
    half = 0.25 * math.sqrt(0.5)
    assert step_sizes(0.5, 4, decayed) == pytest.approx([0.5, 0.25 + half, 0.25, 0.25 - half])


def test_of_several_starts_the_best_is_kept(networks: Networks) -> None:
    _, x = truth(networks[0], images=3)
    z0 = starts([5, 6, 7], 3, 4, 6)
    together = search(*networks, x, holes(3), replace(CONFIG, restarts=4), z0=z0)
    for i in range(3):
        alone = [search(*networks, x[i : i + 1], holes(3)[i], CONFIG, z0=z0[i, r : r + 1]) for r in range(4)]
        totals = torch.stack([result.losses["total"][-1, 0] for result in alone])
        best = alone[int(totals.argmin())]
        assert totals.max() > 1.1 * totals.min()
        assert_close(together.z[i], best.z[0], **ROUNDING)
        assert_close(together.generated[i], best.generated[0], **ROUNDING)
        for name, loss in together.losses.items():
            assert_close(loss[:, i], best.losses[name][:, 0], **ROUNDING)


def test_starts_depend_on_the_images_own_seed() -> None:
    expected = torch.randn(2, 6, generator=torch.Generator().manual_seed(9))
    assert torch.equal(starts(9, 3, 2, 6), expected.expand(3, 2, 6))
    assert torch.equal(starts([1, 9], 2, 2, 6)[1], expected)
    with pytest.raises(ValueError, match="seed: expected"):
        starts([1, 2], 3, 2, 6)


def test_without_z0_the_seed_decides(networks: Networks) -> None:
    _, x = truth(networks[0], images=2)
    config = replace(CONFIG, restarts=2)
    found = search(*networks, x, holes(2), config, seed=[4, 5])
    assert_close(found.z, search(*networks, x, holes(2), config, z0=starts([4, 5], 2, 2, 6)).z, rtol=0, atol=0)


def test_a_result_does_not_depend_on_its_neighbours(networks: Networks) -> None:
    _, x = truth(networks[0], images=3)
    together = search(*networks, x, holes(3), CONFIG)
    alone = search(*networks, x[1:2], holes(3)[1], CONFIG)
    assert_close(together.z[1], alone.z[0], **ROUNDING)


@pytest.mark.parametrize("content", [0.0, 1.0, math.nan])
def test_what_the_hole_contains_does_not_matter(content: float, networks: Networks) -> None:
    _, x = truth(networks[0], images=2)
    expected = search(*networks, x, holes(2), CONFIG)
    x.movedim(1, -1)[torch.tensor(holes(2))] = content
    assert torch.equal(search(*networks, x, holes(2), CONFIG).z, expected.z)


def test_the_networks_come_back_as_they_were(networks: Networks) -> None:
    before = [{name: value.clone() for name, value in network.state_dict().items()} for network in networks]
    _, x = truth(networks[0], images=1)
    search(*networks, x, holes(1), CONFIG)
    for network, state in zip(networks, before, strict=True):
        assert network.training
        assert all(weight.requires_grad and weight.grad is None for weight in network.parameters())
        for name, value in network.state_dict().items():
            assert torch.equal(value, state[name]), name


def test_float32_follows_float64_for_ten_steps(networks: Networks) -> None:
    _, x = truth(networks[0], images=2)
    double = search(*networks, x, holes(2), CONFIG)
    single = search(*(network.float() for network in networks), x.float(), holes(2), CONFIG)
    assert single.z.dtype == torch.float32
    # the contract's tolerance of a trajectory
    assert_close(single.z.double(), double.z, rtol=0, atol=1e-4)


def test_a_loss_that_is_no_number_is_refused(networks: Networks) -> None:
    _, x = truth(networks[0], images=1)
    x[0, 0, 0, 0] = math.nan
    with pytest.raises(ValueError, match="losses: expected finite"):
        search(*networks, x, holes(1), CONFIG)
