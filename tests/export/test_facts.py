"""What a file says of itself: all that whoever gets it needs, and nothing that nobody knows."""

from __future__ import annotations

import dataclasses

from faceinpaint_fast import InpaintConfig
from faceinpaint_fast.export.facts import facts_of
from faceinpaint_fast.models import load_model


def test_a_model_s_licence_and_what_it_expects_go_along():
    model = load_model("faces64")
    told = facts_of(model, InpaintConfig.fast())
    assert told["licence"] == model.config.licence
    assert told["framing"]["name"] == model.config.framing.name
    assert (told["size"], told["channels"], told["tension"]) == (64, 3, InpaintConfig.fast().at_size(64).tension)
    assert set(told["sha256"]) == set(model.config.sha256)


def test_what_nobody_knows_is_left_out(small_model):
    model = load_model(small_model)
    unknown = dataclasses.replace(model, config=dataclasses.replace(model.config, licence=None, data=None))
    assert not {"licence", "data"} & set(facts_of(unknown, InpaintConfig()))
