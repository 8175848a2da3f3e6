"""Progress in lines, by a clock of the test's own."""

from __future__ import annotations

import pytest

from faceinpaint_fast.cli import lines
from faceinpaint_fast.cli.lines import Lines


@pytest.fixture
def clock(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(lines.time, "monotonic", lambda: now[0])

    def goes_on(seconds):
        now[0] += seconds

    return goes_on


def test_a_line_a_minute_and_one_at_the_end(clock):
    said = []
    with Lines(said.append, transient=False) as bar:
        task = bar.add_task("training", total=200, note="")
        for step in range(20):
            clock(25)
            # resumed half way
            bar.update(task, completed=105 + 5 * step, note=f"loss {step}")
    assert said[:2] == ["training 57.5 %, loss 2, 0:07:05 left", "training 65.0 %, loss 5, 0:05:50 left"]
    assert said[-1] == "training 100.0 %, loss 19, 0:00:00 left"
    # 25 seconds a step: every third, and the end
    assert len(said) == 6 + 1


def test_what_has_no_end_is_counted(clock):
    said = []
    with Lines(said.append, transient=False) as bar:
        reading = bar.add_task("reading", total=None, note="faces")
        clock(61)
        bar.update(reading, completed=1234)
        bar.add_task("training", total=10)
    # and what has not begun is not spoken of
    assert said == ["reading 1234 faces"]


@pytest.mark.parametrize("transient", [True, False])
def test_what_is_soon_done_says_nothing_where_the_bar_would_vanish(clock, transient):
    said = []
    with Lines(said.append, transient=transient) as bar:
        task = bar.add_task("measuring", total=2)
        for _ in range(2):
            clock(1)
            bar.advance(task)
    assert said == ([] if transient else ["measuring 100.0 %, 0:00:00 left"])


def test_an_error_is_the_last_word():
    said = []

    def failing():
        with Lines(said.append, transient=False) as bar:
            bar.advance(bar.add_task("measuring", total=2))
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert said == []
