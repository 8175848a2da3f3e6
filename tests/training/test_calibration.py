"""Calibration (Fig. 4): SSIM and L1 of every pair of a held-out and a generated image, and the bounds from them."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from skimage.metrics import structural_similarity

from faceinpaint_fast import reference
from faceinpaint_fast.config import Normalization
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import load_model, read_config, save_measured, save_model
from faceinpaint_fast.training import samples
from faceinpaint_fast.training.calibration import Calibration, calibrate

CPU = torch.device("cpu")


@pytest.fixture
def images(rng):
    """Three pictures with structure: (3, 64, 64, 3) uint8."""
    coarse = rng.integers(0, 256, (3, 8, 8, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


@pytest.fixture
def drawn(generator):
    """Where all that the generator draws ends up: in [0, 1], as (64, 64, 3) each."""
    pictures = []
    generator.register_forward_hook(lambda *call: pictures.extend((call[-1].movedim(1, -1).double().numpy() + 1) / 2))
    return pictures


def test_every_pair_is_compared(generator, images, drawn, monkeypatch):
    """Against scikit-image's SSIM and the plain definition of L1, pair by pair, over batches of 2, 2 and 1."""
    monkeypatch.setattr(samples, "BATCH", 2)
    heard = []
    found = calibrate(generator, images, samples=5, device=CPU, progress=heard.append)
    assert heard == [2, 4, 5]
    assert len(drawn) == 5
    assert found.ssim.shape == found.l1.shape == (3, 5)
    for i, image in enumerate(images / 255):
        for j, sample in enumerate(drawn):
            expected = structural_similarity(
                image,
                sample,
                data_range=1,
                channel_axis=-1,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            # float32: SSIM subtracts squares of means, L1 sums 12,288 terms
            assert_allclose(found.ssim[i, j], expected, atol=1e-5)
            assert_allclose(found.l1[i, j], abs(image - sample).sum(), rtol=1e-5)
    assert np.unique(found.ssim).size == 15


def test_bounds_are_those_of_the_reference(generator, images, drawn):
    found = calibrate(generator, images, samples=5, device=CPU)
    expected = reference.calibrate(images / 255, np.stack(drawn))
    for name in ("s_min", "s_max", "c_min", "c_max"):
        assert getattr(found.normalization, name) == pytest.approx(getattr(expected.normalization, name), rel=1e-4)
    for name in ("ssim_mean", "ssim_std", "l1_mean", "l1_std"):
        assert found.describe()[name] == pytest.approx(getattr(expected, name), rel=1e-4)


def test_bounds_by_hand():
    found = Calibration(np.float32([[0.2, 0.4], [0.4, 0.6]]), np.float32([[1, 3], [3, 5]]), seed=7)
    # variances 0.02 and 2, of the population
    assert found.normalization.s_min == pytest.approx(0.4 - 3 * 0.02**0.5, abs=1e-6)
    assert found.normalization.s_max == pytest.approx(0.4 + 3 * 0.02**0.5, abs=1e-6)
    assert found.normalization.c_min == pytest.approx(3 - 3 * 2**0.5, abs=1e-6)
    assert found.normalization.c_max == pytest.approx(3 + 3 * 2**0.5, abs=1e-6)
    described = found.describe()
    assert {key: described[key] for key in ("images", "samples", "seed")} == {"images": 2, "samples": 2, "seed": 7}
    assert described["ssim_mean"] == pytest.approx(0.4)
    assert described["l1_std"] == pytest.approx(2**0.5)
    stored = json.loads(json.dumps(described))
    bounds = Normalization(**{name: stored[name] for name in ("s_min", "s_max", "c_min", "c_max")})
    assert bounds == found.normalization


def test_the_seed_decides(generator, images):
    one, again, other = (calibrate(generator, images, samples=3, seed=seed, device=CPU) for seed in (1, 1, 2))
    assert_array_equal(one.ssim, again.ssim)
    assert_array_equal(one.l1, again.l1)
    assert (one.l1 != other.l1).all()
    assert (one.seed, other.seed) == (1, 2)


def test_the_codes_are_standard_normal(generator, images):
    codes = []
    generator.register_forward_pre_hook(lambda _, inputs: codes.append(inputs[0]))
    calibrate(generator, images[:1], samples=200, device=CPU)
    z = torch.cat(codes)
    assert z.shape == (200, 100)
    # 20,000 numbers: a standard deviation of 0.007 of their mean and of 0.005 of their spread
    assert abs(z.mean()) < 0.04
    assert abs(z.std() - 1) < 0.03


def test_a_generator_in_training_is_used_in_eval_mode_and_left_in_training(generator, images):
    expected = calibrate(generator, images, samples=3, device=CPU)
    generator.train().requires_grad_(True)
    statistics = generator.layers[1].running_mean.clone()
    found = calibrate(generator, images, samples=3, device=CPU)
    assert_array_equal(found.l1, expected.l1)
    assert generator.training
    assert all(parameter.requires_grad for parameter in generator.parameters())
    assert torch.equal(generator.layers[1].running_mean, statistics)


def test_another_process_can_compare_what_it_is_handed(generator, images):
    handed = []

    def through(comparing, codes):
        comparison = pickle.loads(pickle.dumps(comparing)).made("cpu")
        handed.extend(codes)
        return map(comparison, codes)

    here = calibrate(generator, images, samples=130, seed=3, device=CPU)
    there = calibrate(generator, images, samples=130, seed=3, device=torch.device("meta"), through=through)
    assert [len(codes) for codes in handed] == [64, 64, 2]
    assert_array_equal(there.ssim, here.ssim)
    assert_array_equal(there.l1, here.l1)
    assert there.seed == 3


def test_too_few_to_spread(generator, images):
    with pytest.raises(InputError, match="samples: expected >= 1, got 0"):
        calibrate(generator, images, samples=0, device=CPU)
    with pytest.raises(InputError, match="expected s_min < s_max"):
        calibrate(generator, images[:1], samples=1, device=CPU).describe()


def test_a_model_folder_remembers_its_bounds_until_it_is_trained_again(tmp_path, generator, discriminator, images):
    save_model(tmp_path, generator, discriminator, framing=CELEBA_108, training={})
    loaded = load_model(tmp_path)
    found = calibrate(loaded.generator, images, samples=3, device=CPU)
    save_measured(tmp_path, loaded, "calibration", found.describe())
    assert load_model(tmp_path).config.normalization == found.normalization
    assert read_config(tmp_path).calibration["images"] == 3
    save_model(tmp_path, generator, discriminator, framing=CELEBA_108, training={})
    assert read_config(tmp_path).calibration is None
