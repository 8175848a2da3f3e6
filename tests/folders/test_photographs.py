"""Photographs of a folder: what a Restorer found, as a folder tells it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from faceinpaint_fast.errors import InputError
from faceinpaint_fast.folders.engine import Damaged
from faceinpaint_fast.folders.photographs import by

DAMAGED = Damaged(pixels=np.zeros((5, 4, 3), np.uint8), missing=np.eye(5, 4, dtype=np.bool_), seed=7)


def face(**losses):
    return SimpleNamespace(losses=losses)


def test_faces_are_counted_and_losses_are_means_of_those_that_were_searched():
    asked = []

    def restorer(pixels, missing, **options):
        asked.append((pixels is DAMAGED.pixels, missing is DAMAGED.missing, options))
        faces = (face(total=1.0, context=0.5), face(), face(total=2.0, context=0.1))
        return SimpleNamespace(image=pixels + 1, faces=faces, others=np.zeros((2, 5, 2)), notes=("a line",))

    restored = by(lambda: restorer, "on")(DAMAGED)
    assert asked == [(True, True, {"mirror": "on", "seed": 7})]
    assert (restored.pixels == 1).all()
    assert (restored.faces, restored.losses, restored.remarks) == (5, {"total": 1.5, "context": 0.3}, ("a line",))


def test_without_a_search_there_are_no_losses():
    found = SimpleNamespace(image=DAMAGED.pixels, faces=(face(),), others=(), notes=())
    assert by(lambda: lambda *_, **__: found, "auto")(DAMAGED).losses == {}


def test_a_restorer_is_made_once_and_when_there_is_a_photograph():
    """Without its extra each photograph says so, and faces of the model's size are restored all the same."""
    made = []

    def restorer():
        made.append(1)
        if len(made) == 1:
            raise InputError("photo: expected the extra `photo`")
        found = SimpleNamespace(image=DAMAGED.pixels, faces=(), others=(), notes=())
        return lambda *_, **__: found

    restore = by(restorer, "auto")
    assert not made
    with pytest.raises(InputError, match="the extra `photo`"):
        restore(DAMAGED)
    restore(DAMAGED)
    restore(DAMAGED)
    assert len(made) == 2
