"""A model folder of which one bit is another, 1,000 times in each of its files."""

from __future__ import annotations

import shutil

import pytest

from tests.test_models import check_bits_of_the_config, check_bits_of_weights

FLIPS = 1000


@pytest.fixture
def folder(small_model, tmp_path):
    return shutil.copytree(small_model, tmp_path / "model")


@pytest.mark.parametrize("name", ["generator", "discriminator", "encoder"])
def test_a_bit_of_the_weights(folder, rng, name):
    check_bits_of_weights(folder, name, FLIPS, rng)


def test_a_bit_of_the_config(folder, rng):
    check_bits_of_the_config(folder, FLIPS, rng)
