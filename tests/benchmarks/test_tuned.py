"""What is tuned is what runs, and its checks can fail; in Triton's interpreter where there is no GPU."""

from __future__ import annotations

import pytest
import torch

from faceinpaint_fast.networks import tiles
from faceinpaint_fast.networks.adjoint import AdjointNetwork
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANEncoder, DCGANGenerator
from faceinpaint_fast.networks.protocols import frozen
from faceinpaint_fast.networks.tiles import CUDNN, Tiles, Work
from faceinpaint_fast.tuning import Card, Choice, Table

pytest.importorskip("triton", reason="Triton is not installed")

from faceinpaint_fast.benchmarks import tuned
from faceinpaint_fast.benchmarks.tuned import Layers, Losses, Steps
from faceinpaint_fast.benchmarks.tuner import named
from faceinpaint_fast.networks.triton_layers import TritonProduct
from faceinpaint_fast.ops import triton_ssim_l1

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
KINDS = ("connect", "double", "halve", "to image", "from image")


@pytest.fixture
def networks():
    """The smallest: images of 32 pixels."""
    made = (make(size=32, width=8) for make in (DCGANGenerator, DCGANDiscriminator, DCGANEncoder))
    return [frozen(network, DEVICE) for network in made]


class Asked(Exception):
    """A layer has asked for its tiles."""


def test_cases_are_what_the_networks_ask_for(networks, monkeypatch):
    """Every layer of each, forwards and backwards."""
    asked = set()

    def choice(_, work):
        asked.add(work)
        raise Asked

    monkeypatch.setattr(tiles.Table, "choice", choice)
    batches = (1, 3)
    for network, dtype in ((network, dtype) for network in networks for dtype in (torch.float32, torch.bfloat16)):
        adjoint = AdjointNetwork(network, TritonProduct, dtype)
        for (layer, half), forward, backward in zip(
            tuned.halves(network), adjoint.forwards, adjoint.backwards, strict=True
        ):
            deep, channels = layer.weight.shape[:2]
            side = 4 if layer.connects else 2 * half
            for count in batches:
                small = torch.zeros(count, *([] if layer.connects else [half, half]), deep, dtype=dtype, device=DEVICE)
                large = torch.zeros(count, channels, side, side, dtype=dtype, device=DEVICE).permute(0, 2, 3, 1)
                for function in (forward, backward):
                    finish = adjoint.finish[0]
                    x = small if function.__name__ == "double" else large
                    with pytest.raises(Asked):
                        function(x, finish, None, dtype)
    cases = list(Layers(networks, DEVICE).cases(batches))
    assert set(cases) == asked
    assert {case.kind for case in cases} == {*KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_checked(kind, networks):
    family = Layers(networks, DEVICE)
    case = min((c for c in family.cases((1,)) if c.kind == kind and c.precision == "fp32"), key=lambda c: c.rows)
    columns = 1 << (max(16, case.columns) - 1).bit_length()
    launch = family.launch(case, Tiles(256, min(256, columns), 32, 4, 1))
    family.check(case, launch)
    with pytest.raises(AssertionError, match="close"):
        family.check(case, lambda: 1.001 * launch())


@pytest.mark.parametrize("walk", triton_ssim_l1.TILES)
def test_a_walk_is_checked(walk):
    family = Losses((1, 12, 13), DEVICE)
    case = next(c for c in family.cases((2,)) if c.walk == walk and c.small)
    # one program a plane
    launch = family.launch(case, next(c for c in family.candidates(case) if c["rows"] == 16 and c["warps"] == 1))
    family.check(case, launch)
    with pytest.raises(AssertionError, match="close"):
        family.check(case, lambda: tuple(1.01 * each for each in launch()))


def test_walks_go_by_a_measured_table(monkeypatch):
    """Each by its own lines, and with no more columns than its window leaves room for."""
    best = triton_ssim_l1.Tile(4, 4, 64)
    lines = (
        Choice("losses", {"rows": 5, "walk": "pixels", "small": True}, best._asdict(), 5.0),
        Choice("losses", {"rows": 5, "walk": "windows", "small": False}, best._asdict(), 5.0),
    )
    monkeypatch.setattr(triton_ssim_l1, "table_of", lambda _: Table(Card("", (9, 0), 132), {}, lines))
    triton_ssim_l1.tile_of.cache_clear()
    tile_of = triton_ssim_l1.tile_of
    assert tile_of("pixels", DEVICE, 9, True, 11) == best
    assert tile_of("pixels", DEVICE, 9, True, 31) == best._replace(columns=1)
    assert tile_of("pixels", DEVICE, 9, False, 11) == triton_ssim_l1.TILES["pixels"][0][1]
    triton_ssim_l1.tile_of.cache_clear()


@pytest.mark.parametrize("name", ["bfgs", "adam"])
def test_steps_are_checked(name):
    family = Steps(name, [6], DEVICE)
    (case,) = family.cases((2,))
    launch = family.launch(case, next(iter(family.candidates(case))))
    family.check(case, launch)
    # again, from the beginning
    family.check(case, launch)
    with pytest.raises(AssertionError, match="close"):
        family.check(case, lambda: launch() + 0.01)


def test_families_of_the_shipped_model():
    names = {family.name for family in tuned.families(torch.device("cpu"))}
    assert names == {"layers", "losses", "bfgs", "adam"}


def test_layers_go_by_a_measured_table(monkeypatch):
    work, best = Work("double", 64, 128, 1024, "bf16"), Tiles(64, 64, 64, 4, 4, 2)
    lines = (
        Choice("layers", named(work), named(best), 5.0),
        Choice("layers", named(work) | {"rows": 4096}, CUDNN, 5.0),
        Choice("bfgs", {"rows": 1, "n": 100}, {}, 1.0),
    )
    monkeypatch.setattr(tiles, "table_of", lambda _: Table(Card("", (9, 0), 132), {}, lines))
    table = tiles.Table.of(DEVICE)
    assert table.choice(work) == best
    assert table.choice(Work("double", 8192, 128, 1024, "bf16")) == CUDNN
    monkeypatch.setattr(tiles, "table_of", lambda _: None)
    assert tiles.Table.of(DEVICE) == tiles.Table()
