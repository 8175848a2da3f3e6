"""What options hold, read from text."""

from __future__ import annotations

import pytest

from faceinpaint_fast import InputError
from faceinpaint_fast.cli.options import ConfigName, listed, settings_of
from faceinpaint_fast.config import PRESETS


def test_settings_are_fields_with_values():
    assert settings_of(None) == {}
    assert settings_of(["alpha=1", "blend=none", "alpha=2"]) == {"alpha": "2", "blend": "none"}
    # a value may be anything, an empty one and one with the sign too: the config has its own say
    assert settings_of(["blend=a=b", "alpha="]) == {"blend": "a=b", "alpha": ""}


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(InputError, match="--set: expected FIELD=VALUE, got 'iterations'"):
        settings_of(["alpha=1", "iterations"])


def test_lists_are_by_commas_or_by_repeating():
    assert listed(None) == ()
    assert listed(["left,drop-80", "left", ",centre,"]) == ("left", "drop-80", "centre")


def test_every_preset_can_be_named():
    assert [str(each) for each in ConfigName] == [*PRESETS]
