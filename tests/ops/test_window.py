"""SSIM's window: normalised, separable, checked."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.ndimage import gaussian_filter1d

from faceinpaint_fast import InputError
from faceinpaint_fast.ops.window import Window, banded, positions, windows

CPU = torch.device("cpu")


@pytest.mark.parametrize(("size", "sigma"), [(3, 0.7), (11, 1.5), (31, 4.0)])
def test_taps_are_a_gaussian_that_sums_to_1(size, sigma):
    taps = Window(size=size, sigma=sigma).taps(torch.float64, CPU).numpy()
    impulse = np.zeros(size)
    impulse[size // 2] = 1
    assert_allclose(taps, gaussian_filter1d(impulse, sigma, radius=size // 2, mode="constant"), rtol=1e-12)
    assert taps.sum() == pytest.approx(1, abs=1e-15)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_a_local_mean_is_the_sum_under_each_window(padding, rng):
    window = Window(size=5, sigma=1.0, padding=padding)
    x = rng.random((2, 9, 8))
    padded = np.pad(x, [(0, 0), (window.pad,) * 2, (window.pad,) * 2])
    taps = window.taps(torch.float64, CPU).numpy()
    views = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(1, 2))
    expected = np.einsum("bhwij,i,j->bhw", views, taps, taps)
    found = window.local_mean(torch.from_numpy(x)).numpy()
    assert_allclose(found, expected, rtol=1e-13)
    assert found.shape == windows(torch.from_numpy(x), torch.from_numpy(taps), window.pad)
    assert found.shape[1] == window.positions(9) == positions(9, 5, window.pad)


def test_a_banded_matrix_lacks_what_lies_beyond_the_border():
    taps = torch.tensor([1.0, 2.0, 4.0])
    assert banded(taps, 4, 1).tolist() == [[2, 4, 0, 0], [1, 2, 4, 0], [0, 1, 2, 4], [0, 0, 1, 2]]
    assert banded(taps, 4, 0).tolist() == [[1, 2, 4, 0], [0, 1, 2, 4]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 4}, "window_size: expected an odd integer from 3 to 31, got 4"),
        ({"size": 33}, "window_size: expected an odd integer"),
        ({"size": 5.0}, "window_size: expected an odd integer"),
        ({"sigma": 0.0}, "sigma: expected a finite number > 0"),
        ({"padding": "reflect"}, "padding: expected one of"),
    ],
)
def test_a_window_checks_itself(options, message):
    with pytest.raises(InputError, match=message):
        Window(**options)


def test_an_image_smaller_than_the_window_is_refused():
    with pytest.raises(InputError, match="image: expected sides of at least 11, the window, got 10"):
        Window().positions(10)
