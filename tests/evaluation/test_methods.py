"""What the names of methods stand for."""

from __future__ import annotations

import dataclasses
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from faceinpaint_fast import InpaintConfig, Inpainter, InputError, Normalization, masks
from faceinpaint_fast.evaluation import methods
from faceinpaint_fast.evaluation.methods import METHODS, available, build
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import load_model, read_config, save_measured, save_model

CPU = torch.device("cpu")
BOUNDS = Normalization(s_min=0.1, s_max=0.6, c_min=600.0, c_max=5000.0)
BASELINES = "faceinpaint_fast.evaluation.rivals"


@pytest.fixture
def model(tmp_path, generator, discriminator):
    save_model(tmp_path / "model", generator, discriminator, framing=CELEBA_108, training={})
    return tmp_path / "model"


@pytest.fixture
def batch(faces):
    """Two faces, their holes and seeds."""
    holes = np.stack([masks.draw(name, (64, 64), 1) for name in ("centre", "drop-60")])
    return np.where(holes[..., None], 0, faces[:2] / 255), holes, [3, 4]


def stand_in(monkeypatch, name, **content):
    monkeypatch.setitem(sys.modules, f"{BASELINES}.{name}", SimpleNamespace(**content))


@pytest.fixture
def calibrated(model):
    """A model whose bounds have been found."""
    save_measured(model, load_model(model), "calibration", dataclasses.asdict(BOUNDS))
    return load_model(model)


def test_all_methods_or_those_named_once_and_in_their_order(calibrated):
    assert available([], calibrated) == (list(METHODS), [])
    assert available(["TV", "default", "TV"], calibrated) == (["TV", "default"], [])


def test_an_unknown_method_is_refused(calibrated):
    with pytest.raises(
        InputError, match=r"methods: expected some of default, fast, over-z, paper, paper-calibrated, .*, got 'dip'"
    ):
        available(["TV", "dip"], calibrated)


def test_a_method_without_its_library_is_left_out_unless_it_was_named(monkeypatch, calibrated):
    monkeypatch.setattr(methods, "find_spec", lambda _: None)
    assert available([], calibrated) == (
        [name for name in METHODS if name != "Telea"],
        ["Telea is left out: it needs the library cv2"],
    )
    assert available(["TV"], calibrated) == (["TV"], [])
    with pytest.raises(InputError, match="expected the library cv2 for Telea, got none"):
        available(["TV", "Telea"], calibrated)


def test_without_bounds_of_its_own_a_model_is_not_asked_for_them(model):
    names, notes = available([], load_model(model))
    assert names == [name for name in METHODS if name != "paper-calibrated"]
    assert notes == ["paper-calibrated is left out: it needs the bounds that faceinpaint calibrate finds"]
    named, _ = available(["paper-calibrated"], load_model(model))
    with pytest.raises(InputError, match="normalization: expected bounds that faceinpaint calibrate found"):
        build(named, model=load_model(model), device=CPU, precision="fp32")


def test_the_calibrated_paper_is_recorded_with_its_bounds(calibrated):
    found = build(["paper-calibrated"], model=calibrated, device=CPU, precision="fp32")["paper-calibrated"]
    assert found.config == InpaintConfig.paper(normalization=BOUNDS).settings()


def test_the_presets_are_the_engines(model, batch):
    found = build(["paper", "default"], model=load_model(model), device=CPU, precision="bf16")
    assert list(found) == ["paper", "default"]
    # the model has no encoder, so z alone is searched
    for name, config in (("paper", InpaintConfig.paper()), ("default", InpaintConfig.over_z())):
        expected = dataclasses.asdict(dataclasses.replace(config, precision="bf16"))
        # of which encoder a result is: none is this model's; and JSON has no infinity
        guess = {"encoder": None} if name == "default" else {}
        assert found[name].config == expected | {"z_max": "inf"} | guess
        assert found[name].model == read_config(model).sha256["generator"]
        json.dumps(found[name].config, allow_nan=False)
    images, holes, seeds = batch
    config = InpaintConfig(precision="bf16")
    expected = Inpainter.from_pretrained(model, config=config, device=CPU)(images, holes, seed=seeds)
    assert_array_equal(found["default"].restore(images, holes, seeds), expected.image)


def test_what_was_generated_is_judged_alone_if_asked_for(model, batch):
    loaded = load_model(model)
    assert available(["paper-generated"], loaded) == (["paper-generated"], [])
    with pytest.raises(InputError, match="or a preset's with -generated behind it, got 'TV-generated'"):
        available(["TV-generated"], loaded)
    found = build(["default", "default-generated"], model=loaded, device=CPU, precision="fp32")
    assert found["default-generated"].config == found["default"].config | {"judged": "generated"}
    images, holes, seeds = batch
    expected = Inpainter.from_pretrained(model, device=CPU)(images, holes, seed=seeds)
    assert_array_equal(found["default-generated"].restore(images, holes, seeds), expected.generated)
    assert_array_equal(found["default"].restore(images, holes, seeds), expected.image)
    assert (expected.generated != expected.image)[~holes].any()


def test_settings_differ_from_the_presets(model, batch):
    asked = {"iterations": "3", "tension": "2", "blend": "poisson", "z_max": "1", "precision": "bf16"}
    found = build(["default"], model=load_model(model), device=CPU, precision="fp32", settings=asked)["default"]
    config = InpaintConfig(iterations=3, tension=2.0, blend="poisson", z_max=1.0, precision="bf16")
    assert found.config == dataclasses.asdict(config.over_z_alone()) | {"encoder": None}
    images, holes, seeds = batch
    expected = Inpainter.from_pretrained(model, config=config, device=CPU)(images, holes, seed=seeds)
    assert_array_equal(found.restore(images, holes, seeds), expected.image)


def test_a_setting_concerns_the_methods_that_are_asked_for(model):
    """A schedule that the optimiser of `over-z` has not."""
    asked, loaded = {"schedule": "cosine"}, load_model(model)
    found = build(["paper"], model=loaded, device=CPU, precision="fp32", settings=asked)["paper"]
    assert found.config["schedule"] == "cosine"
    with pytest.raises(InputError, match="schedule: expected constant with bfgs"):
        build(["over-z"], model=loaded, device=CPU, precision="fp32", settings=asked)


def test_an_unknown_precision_is_refused(model):
    with pytest.raises(InputError, match="precision: expected"):
        build(["TV"], model=load_model(model), device=CPU, precision="fp16")


def test_rivals_get_what_they_take_and_their_constants_are_recorded(monkeypatch, model, batch):
    images, holes, seeds = batch
    stand_in(monkeypatch, "tv", tv=lambda images, holes: (images, holes), STEP=0.5, SIDES=(1, 2), WORD="l1", Other=3)
    stand_in(monkeypatch, "patchmatch", patchmatch=lambda images, holes, *, seeds: (images, holes, seeds))
    found = build(["TV", "PatchMatch"], model=load_model(model), device=CPU, precision="fp32")
    assert found["TV"].config == {"STEP": 0.5, "SIDES": (1, 2), "WORD": "l1"}
    assert found["PatchMatch"].config == {}
    assert found["TV"].model is found["PatchMatch"].model is None
    assert found["TV"].restore(images, holes, seeds) == (images, holes)
    assert found["PatchMatch"].restore(images, holes, seeds) == (images, holes, seeds)


def test_dip_gets_the_networks(monkeypatch, model, batch):
    class DIP:
        def __init__(self, generator, discriminator, *, iterations, precision, device):
            self.given = generator.latent_size, discriminator, iterations, precision, device

        def __call__(self, images, holes, seeds):
            return self.given, images, holes, seeds

    stand_in(monkeypatch, "dip", DIP=DIP, PRIOR_WEIGHT=0.003)
    dip = build(["DIP"], model=load_model(model), device=CPU, precision="bf16")["DIP"]
    (size, discriminator, *rest), *given = dip.restore(*batch)
    assert (size, rest) == (100, [1500, "bf16", CPU])
    assert isinstance(discriminator, torch.nn.Module)
    assert all(one is other for one, other in zip(given, batch, strict=True))
    assert dip.config == {"PRIOR_WEIGHT": 0.003, "iterations": 1500, "precision": "bf16"}
    assert dip.model == read_config(model).sha256["generator"]
