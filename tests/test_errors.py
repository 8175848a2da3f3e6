"""Which errors a caller may catch."""

from __future__ import annotations

import pytest

from faceinpaint_fast import Inpainter, InputError, ModelError, weight_map


def test_what_a_user_handed_over_is_a_value_error():
    assert issubclass(InputError, ValueError)
    with pytest.raises(ValueError, match="hole: expected"):
        weight_map("no hole")


def test_a_bad_model_folder_is_no_input_error(tmp_path):
    assert not issubclass(ModelError, InputError)
    with pytest.raises(ModelError, match="expected a model folder"):
        Inpainter.from_pretrained(tmp_path, device="cpu")
