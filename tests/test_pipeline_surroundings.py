"""Whatever is around an `Inpainter`, its results are the same: torch's modes and defaults, networks as they come, other
processes.
"""

from __future__ import annotations

import copy
import dataclasses
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn
from torch.nn import utils
from torch.nn.utils import parametrizations

from faceinpaint_fast import InpaintConfig, Inpainter, Normalization, masks
from faceinpaint_fast.networks.dcgan import DCGANGenerator
from faceinpaint_fast.ops.window import _taps
from faceinpaint_fast.search import starts

# small steps: docs/architecture.md says how rounding grows
FAST = InpaintConfig.over_z(iterations=6, learning_rate=0.03, lambda_d=0.003)
HOLES = np.stack([masks.draw(name, (64, 64)) for name in ("centre", "left", "drop-80")])
WHERE_THERE_IS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@pytest.fixture
def faces(draw_face):
    """Three of them, float32 in [0, 1]."""
    return np.stack([draw_face(i) for i in range(3)]) / np.float32(255)


def same(one, other):
    for name in ("image", "generated", "z"):
        assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    for name, loss in one.losses.items():
        assert_array_equal(loss, other.losses[name], err_msg=name)


class NoDCGAN(nn.Module):
    """The same network, of which nothing is known, and which keeps what it drew last, with its graph."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.latent_size = inner, getattr(inner, "latent_size", None)

    def forward(self, z):
        drawn = self.drawn = self.inner(z)
        return drawn


@pytest.mark.parametrize("network", [lambda network: network, NoDCGAN], ids=["DCGAN", "another"])
def test_inference_mode_changes_no_bit(network, faces, generator, discriminator, encoder):
    def made():
        networks = (network(each) for each in (generator, discriminator))
        return Inpainter(*networks, encoder=network(encoder), config=FAST, device="cpu")

    inpainter = made()
    expected = inpainter(faces, HOLES, seed=5)
    images = torch.from_numpy(faces).movedim(-1, 1)
    with torch.inference_mode():
        starts._codes.cache_clear()
        same(inpainter(faces, HOLES, seed=5), expected)
        within = made()
        within.warm_up()
        found = within(images.clone(), HOLES, seed=5, start=torch.from_numpy(within(faces, HOLES, seed=5).z).clone())
    same(within(faces, HOLES, seed=5), expected)
    same(inpainter(faces, HOLES, seed=5), expected)
    assert_array_equal(inpainter(images, HOLES, seed=5, start=expected).z, found.z)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("network", [lambda network: network, NoDCGAN], ids=["DCGAN", "another"])
def test_networks_of_another_dtype_compute_in_it(network, dtype, precision, faces, generator, discriminator, encoder):
    one = dataclasses.replace(FAST, iterations=1, precision=precision)
    networks = [network(each).to(dtype) for each in (generator, discriminator, encoder)]
    found = Inpainter(*networks[:2], encoder=networks[2], config=one, device="cpu")(faces, HOLES)
    assert found.z.dtype == found.generated.dtype == np.float32
    if network is NoDCGAN:
        with torch.no_grad():
            drawn = networks[0].eval()(torch.from_numpy(found.z).to(dtype)).float()
        assert_array_equal(found.generated, ((drawn + 1) / 2).movedim(1, -1).numpy())
    assert {parameter.dtype for each in networks for parameter in each.parameters()} == {dtype}


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated:FutureWarning")
@pytest.mark.parametrize(
    "norm", [utils.spectral_norm, utils.weight_norm, parametrizations.spectral_norm, parametrizations.weight_norm]
)
def test_a_dcgan_whose_weights_are_computed_is_taken_as_it_computes(norm, faces, generator, discriminator, encoder):
    """Its layers hold what the last call left there."""
    for network in (generator, discriminator, encoder):
        for layer in list(network.modules()):
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                norm(layer)
        network.train()
    # as a training step leaves them
    generator(torch.randn(2, 100, generator=torch.Generator().manual_seed(0))).sum().backward()
    discriminator(torch.zeros(2, 3, 64, 64)).sum().backward()
    with torch.no_grad():
        for network in (generator, discriminator):
            for parameter in network.parameters():
                parameter.mul_(1.25)
    for network in (generator, discriminator, encoder):
        network.eval()
    few = dataclasses.replace(FAST, iterations=2)
    networks = NoDCGAN(generator), NoDCGAN(discriminator)
    expected = Inpainter(*networks, encoder=NoDCGAN(encoder), config=few, device="cpu")(faces, HOLES)
    found = Inpainter(generator, discriminator, encoder=encoder, config=few, device="cpu")(faces, HOLES)
    assert_allclose(found.z, expected.z, atol=1e-4)
    assert_allclose(found.losses["discriminator"], expected.losses["discriminator"], rtol=1e-3, atol=1e-5)
    with torch.no_grad():
        assert_allclose(found.generated, (generator(torch.from_numpy(found.z)).movedim(1, -1) + 1) / 2, atol=1e-5)


def test_a_network_that_a_dcgan_is_the_base_of_is_taken_as_it_computes(faces, generator, discriminator):
    class Darker(DCGANGenerator):
        def forward(self, z):
            return super().forward(z) - 1

    darker = Darker(width=4)
    darker.load_state_dict(generator.state_dict())
    assert Inpainter(darker, discriminator, config=FAST, device="cpu")(faces, HOLES).generated.max() <= 0.5
    generator.register_forward_hook(lambda *arguments: arguments[-1] - 1)
    assert Inpainter(generator, discriminator, config=FAST, device="cpu")(faces, HOLES).generated.max() <= 0.5


@pytest.mark.parametrize("network", [lambda network: network, NoDCGAN], ids=["DCGAN", "another"])
def test_an_inpainter_is_pickled_and_copied(network, faces, generator, discriminator, encoder):
    inpainter = Inpainter(network(generator), discriminator, encoder=encoder, config=FAST, device="cpu")
    expected = inpainter(faces, HOLES, seed=7)
    for another in (pickle.loads(pickle.dumps(inpainter)), copy.deepcopy(inpainter), copy.copy(inpainter)):
        assert another.config == FAST
        assert another.device == inpainter.device
        assert another.generator is not inpainter.generator
        same(another(faces, HOLES, seed=7), expected)
    same(pickle.loads(pickle.dumps(expected)), expected)


PROCESSES = """
import multiprocessing, os, signal, sys
import numpy as np, torch
from torch import nn
from faceinpaint_fast import InpaintConfig, Inpainter, masks

IMAGES = np.random.default_rng(0).random((16, 12, 64, 3)).astype(np.float32)

class G(nn.Sequential):
    latent_size = 100

class D(nn.Sequential):
    def forward(self, x):
        return super().forward(x)[:, 0]

def restored(inpainter):
    return inpainter(IMAGES, masks.centre((12, 64))).z

if __name__ == "__main__":
    torch.set_num_threads(4)
    networks = G(nn.Linear(100, 2304), nn.Tanh(), nn.Unflatten(1, (3, 12, 64))), D(nn.Flatten(), nn.Linear(2304, 1))
    inpainter = Inpainter(*networks, config=InpaintConfig.over_z(iterations=2), device="cpu")
    expected = restored(inpainter)
    if sys.argv[1] == "spawn":
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            assert np.allclose(pool.apply(restored, [inpainter]), expected, atol=1e-3)
    elif not (child := os.fork()):
        # who waits is ended
        signal.alarm(30)
        same = torch.get_num_threads() == 1 and np.allclose(restored(inpainter), expected, atol=1e-3)
        os._exit(0 if same else 1)
    else:
        assert os.waitpid(child, 0)[1] == 0
        assert torch.get_num_threads() == 4
"""


@pytest.mark.parametrize("way", ["spawn", pytest.param("fork", marks=WHERE_THERE_IS_FORK)])
def test_an_inpainter_serves_in_another_process(way, tmp_path):
    """In a spawned one it is made anew; in a forked one torch's threads are not there any more."""
    script = tmp_path / "processes.py"
    script.write_text(PROCESSES)
    subprocess.run([sys.executable, "-W", "ignore", script, way], check=True)


@pytest.mark.parametrize(
    "config",
    [
        FAST,
        dataclasses.replace(FAST, optimiser="adam", schedule="cosine", start="random", restarts=2),
        dataclasses.replace(FAST, precision="bf16", normalization=Normalization.PAPER),
    ],
    ids=["default", "Adam", "bf16"],
)
@pytest.mark.parametrize("network", [lambda network: network, NoDCGAN], ids=["DCGAN", "another"])
def test_torch_s_defaults_change_no_bit(network, config, faces, generator, discriminator, encoder, other_defaults):
    networks = [network(each) for each in (generator, discriminator, encoder)]

    def made():
        return Inpainter(*networks[:2], encoder=networks[2], config=config, device="cpu")

    living = made()
    expected = living(faces, HOLES, seed=5)
    other_defaults()
    # what is kept of before would hide where it comes from
    starts._codes.cache_clear()
    _taps.cache_clear()
    same(living(faces, HOLES, seed=5), expected)
    same(made()(faces, HOLES, seed=5), expected)
    planes = torch.from_numpy(faces).movedim(-1, 1)
    assert_array_equal(living(planes, torch.from_numpy(HOLES), seed=5).z.numpy(), expected.z)


def test_a_restoration_imports_no_compiler():
    """Torch's takes a second and 120 MB, and a restoration on a CPU has nothing for it to do."""
    code = (
        "import sys, numpy as np; from faceinpaint_fast import Inpainter, masks;"
        "Inpainter.from_pretrained(device='cpu')(np.zeros((64, 64, 3), np.uint8), masks.centre((64, 64)));"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
