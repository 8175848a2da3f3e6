"""Numbers and switches that a caller hands over."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch

from faceinpaint_fast import InputError
from faceinpaint_fast.checks import expect_flag, expect_number, expect_positive, in_unit, whole

NO_POSITIVE = [True, "1", None, 1j, math.nan, math.inf, 0, -1, np.array([1.0]), 10**400]


@pytest.mark.parametrize("value", [7, np.int64(7), np.uint8(7), np.array(7), torch.tensor(7)], ids=repr)
def test_a_whole_number_may_be_any_library_s(value):
    found = whole(value, "k", least=1, most=7, odd=True)
    assert type(found) is int
    assert found == 7


@pytest.mark.parametrize("value", [True, 1.0, np.float64(3), "3", None, [3], 2, 0, 9], ids=repr)
def test_what_is_no_whole_number_is_refused_by_name(value):
    expected = f"k: expected an odd integer >= 1 and <= 7, got {value!r}"
    with pytest.raises(InputError, match=rf"^{re.escape(expected)}$"):
        whole(value, "k", least=1, most=7, odd=True)


def test_a_whole_number_without_bounds():
    assert whole(-5, "top") == -5
    with pytest.raises(InputError, match=r"^top: expected an integer, got 1.5$"):
        whole(1.5, "top")


@pytest.mark.parametrize("value", NO_POSITIVE, ids=lambda value: repr(value)[:9])
def test_what_is_no_number_is_refused_by_name(value):
    expected = f"tension: expected a finite number > 0, got {value!r}"
    with pytest.raises(InputError, match=rf"^{re.escape(expected)}$"):
        expect_positive(value, "tension")


def test_numbers_may_be_numpys():
    for value in (1, 0.5, np.float32(2), np.int64(3)):
        expect_positive(value, "tension")
    expect_number(math.inf, "z_max", "a number > 0", lambda number: number > 0)


@pytest.mark.filterwarnings("error")
def test_a_number_is_compared_as_python_s():
    # NumPy's would bring the bound to its own precision, and warn
    expect_number(np.float16(2), "alpha", "less than 1e38", lambda number: number < 1e38)


@pytest.mark.parametrize("value", ["yes", 1, None, np.True_], ids=repr)
def test_a_switch_is_true_or_false(value):
    expect_flag(True, "mixed")
    with pytest.raises(InputError, match=r"^mixed: expected True or False, got "):
        expect_flag(value, "mixed")


def test_rounding_may_leave_the_unit_interval():
    step = float(np.finfo(np.float32).eps)
    assert in_unit(-4 * step, 1 + 4 * step)
    assert not in_unit(-5 * step, 1)
    assert not in_unit(0, 1 + 5 * step)
    assert not in_unit(math.nan, math.nan)
