"""How a docstring of the project's becomes reStructuredText."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "docs/site/docstrings.py"


@pytest.fixture(scope="module")
def docstrings():
    spec = importlib.util.spec_from_file_location("docstrings", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def shown(docstrings):
    def run(text):
        lines = text.splitlines()
        docstrings.on_docstring(None, "function", "name", None, None, lines)
        return "\n".join(lines).strip()

    return run


def test_two_columns_are_a_list(shown):
    text = """hole     (H, W), missing where True, which may go on
         in the next line
k, alpha  Eq. 7's patch size and slope
lambda_*  weights
activations
          u^, those of a layer"""
    assert (
        shown(text)
        == r"""``hole``
    (H, W), missing where True, which may go on in the next line

``k``, ``alpha``
    Eq. 7's patch size and slope

``lambda_*``
    weights

``activations``
    u^, those of a layer"""
    )


def test_code_is_literal_and_other_signs_mean_nothing(shown):
    assert shown("`x * y` of w*x and |z_| in `a_`, once") == r"``x * y`` of w\*x and \|z\_\| in ``a_``, once"


@pytest.mark.parametrize(
    "text", ["As it is.  Two spaces behind a sentence.", "word\nand another line", "a sentence `alone"]
)
def test_sentences_stay_sentences(shown, text):
    assert shown(text).replace("\\", "") == text


def test_an_indented_block_is_an_equation(shown):
    assert shown("A plate:\n\n    L (F - T) = 0") == "A plate:\n\n::\n\n        L (F - T) = 0"
