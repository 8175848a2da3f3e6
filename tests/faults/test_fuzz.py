"""100,000 calls of functions of `_cpu` with whatever there is: none of them ends the process."""

from __future__ import annotations

import pytest

from tests.csrc.test_fuzz import outcomes

CASES = 20_000


@pytest.mark.parametrize("seed", range(1, 6))
def test_no_call_ends_the_process(seed, tmp_path):
    assert sum(outcomes(CASES, tmp_path / "call", seed).values()) == CASES
