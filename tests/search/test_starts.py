"""Where a search begins."""

from __future__ import annotations

import torch
from torch.testing import assert_close

from faceinpaint_fast import reference
from faceinpaint_fast.search.starts import SPREAD, around, beginning_at, codes


def test_codes_depend_on_their_own_seed_alone():
    found = codes([3, 8, 3], 2, 100, 4)
    assert found.shape == (4, 6, 100)
    assert torch.equal(found[:, :2], found[:, 4:])
    assert torch.equal(found[:, 2:4], codes([8], 2, 100, 4))
    assert not torch.equal(found[:, 0], found[:, 1])
    assert not torch.equal(found[0], found[1])
    # those of fewer attempts are the first of more
    assert torch.equal(codes([3, 8, 3], 2, 100, 2), found[:2])
    assert torch.equal(found[0], reference.starts([3, 8, 3], 3, 2, 100).flatten(0, 1))


def test_the_first_attempt_is_the_guess_and_around_it():
    drawn, guess = codes([1, 2], 3, 5, 3), torch.full((6, 5), 7.0)
    found = around(guess, drawn, 3)
    assert torch.equal(found[0, [0, 3]], guess[[0, 3]])
    assert_close(found[0, [1, 2, 4, 5]], 7 + SPREAD * drawn[0, [1, 2, 4, 5]])
    assert torch.equal(found[1:], drawn[1:])
    assert around(None, drawn, 3) is drawn


def test_a_first_start_lies_as_far_from_its_guess_as_its_spread_says():
    drawn, guess = codes([1, 2, 1], 2, 5, 3), torch.full((6, 5), 7.0)
    found, usual = around(guess, drawn, 2, [0.5, 0.0, 0.25]), around(guess, drawn, 2)
    assert_close(found[0, 0], 7 + 0.5 * drawn[0, 0])
    assert_close(found[0, 4], 7 + 0.25 * drawn[0, 4])
    # one without a spread, further starts, and whatever begins again, are as they were
    assert torch.equal(found[0, [1, 2, 3, 5]], usual[0, [1, 2, 3, 5]])
    assert torch.equal(found[1:], usual[1:])
    # what was drawn need not be finite where it is not asked for
    drawn[0, 2] = torch.nan
    assert torch.equal(around(guess, drawn, 2, [0.5, 0.0, 0.25])[0, 2], guess[2])


def test_a_search_may_begin_at_given_codes():
    drawn = codes([1, 2], 3, 5, 4)
    start = torch.rand(2, 5)
    found = beginning_at(start, drawn, 3)
    assert torch.equal(found[0, [0, 3]], start)
    # the other restarts, and whatever begins again, are as they were
    assert torch.equal(found[0, [1, 2, 4, 5]], drawn[0, [1, 2, 4, 5]])
    assert torch.equal(found[1:], drawn[1:])
    assert beginning_at(None, drawn, 3) is drawn
    # the others keep theirs
    found = beginning_at(start[:1], drawn, 3)
    assert torch.equal(found[0, 0], start[0])
    assert torch.equal(found[0, 1:], drawn[0, 1:])
