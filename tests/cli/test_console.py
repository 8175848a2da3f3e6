"""What a command shows besides its results: on stderr, and bars only where somebody sees them."""

from __future__ import annotations

import warnings

import pytest
from rich.console import Console

from faceinpaint_fast.cli import console


def test_a_remark_says_whose_it_is(capsys):
    console.remark("a line")
    assert capsys.readouterr() == ("", "faceinpaint: a line\n")


def test_warnings_become_remarks_after_the_work(capsys):
    with console.warnings_as_remarks():
        warnings.warn("odd", stacklevel=1)
        warnings.warn("odder", stacklevel=1)
        assert capsys.readouterr().err == ""
    assert capsys.readouterr() == ("", "faceinpaint: odd\nfaceinpaint: odder\n")


def test_what_pillow_warns_of_is_not_told(capsys):
    """Ours on the same file names it."""
    with console.warnings_as_remarks():
        warnings.warn_explicit("Corrupt EXIF data.", UserWarning, "TiffImagePlugin.py", 1, module="PIL.TiffImagePlugin")
    assert capsys.readouterr() == ("", "")


def test_of_many_warnings_the_first_are_told_and_each_once(capsys):
    with console.warnings_as_remarks():
        for number in (*range(7), 0, 1):
            warnings.warn(f"picture {number}", stacklevel=1)
    lines = capsys.readouterr().err.splitlines()
    expected = [f"faceinpaint: picture {number}" for number in range(console.TOLD)]
    assert lines == [*expected, "faceinpaint: and 2 more warnings of the kind"]


@pytest.mark.parametrize("terminal", [True, False])
def test_a_bar_shows_on_a_terminal_alone_and_never_on_stdout(capsys, monkeypatch, terminal):
    monkeypatch.setattr(Console, "is_terminal", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    with console.counting_bar() as bar:
        task = bar.add_task("drawing", total=3)
        bar.advance(task, 2)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("2/3" in err) == terminal
    assert (err == "faceinpaint: drawing 66.7 %\n") != terminal


def test_a_table_has_its_title_heads_and_rows(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    console.print_table("things", ("name", "size"), [("a", "1"), ("b", "22")])
    out, err = capsys.readouterr()
    assert err == ""
    assert [word for word in ("things", "name", "size", "22") if word not in out] == []


def test_markdown_is_shown_as_a_terminal_has_it(capsys):
    console.print_markdown("| what |\n| --- |\n| this |\n")
    out = capsys.readouterr().out
    assert "this" in out
    assert "---" not in out
