"""What is measured of a method when people are looked for, with a recogniser of the tests' own."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import InputError, ModelError, masks
from faceinpaint_fast.evaluation import recognition
from faceinpaint_fast.evaluation.identities import People
from faceinpaint_fast.evaluation.methods import Choice, Method
from faceinpaint_fast.evaluation.protocol import Evaluation, seed_of
from faceinpaint_fast.evaluation.recognition import BOUNDS, RECOGNISED, Describing, masks_of, recognise
from faceinpaint_fast.evaluation.results import digest, read
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import load_model, save_model

ASKED = Evaluation(masks=("left", "drop-80"), seed=5, batch=3)
N = 8


def describe(faces):
    """The colour of each quarter, which is all that this recogniser looks at: (B, 12)."""
    assert faces.dtype == np.uint8
    return faces.reshape(len(faces), 2, 32, 2, 32, 3).mean(axis=(2, 4)).reshape(len(faces), 12) / 255


@pytest.fixture
def people(faces, rng):
    """Eight people, each a little lighter on the second picture."""
    noise = rng.integers(0, 60, (N, 1, 1, 1))
    return People(faces[:N], np.minimum(faces[:N].astype(int) + noise, 255).astype(np.uint8))


def measured(people, out, methods, asked=ASKED, **options):
    recognise(asked, methods, {"heads": people}, out, recogniser=describe, machine={"python": "3"}, **options)
    return {name: read(out / "heads" / f"{name}.jsonl") for name in methods}


def test_distances_and_ranks_by_hand(people, tmp_path):
    heard = []
    found = measured(people, tmp_path, BOUNDS, progress=lambda *what: heard.append(what))
    header, records = found["damaged"]
    assert header["kind"] == "recognition"
    assert (header["people"], header["seed"], header["config"]) == (N, 5, {"grey": 0.5})
    assert [(record["mask"], record["face"]) for record in records] == [(m, i) for m in ASKED.masks for i in range(N)]
    for mask in ASKED.masks:
        holes = np.stack([masks.draw(mask, (64, 64), seed_of(5, i)) for i in range(N)])
        grey = np.where(holes[..., None], 128, people.probes).astype(np.uint8)
        distances = np.linalg.norm(describe(grey)[:, None] - describe(people.gallery), axis=-1)
        false = distances[~np.eye(N, dtype=bool)]
        of_mask = [record for record in records if record["mask"] == mask]
        assert_allclose([record["own"] for record in of_mask], np.diag(distances), atol=5.1e-5)
        assert [record["rank"] for record in of_mask] == (distances < np.diag(distances)[:, None]).sum(axis=1).tolist()
        # 2 % of 56 pairs is one, and one more
        kept = sorted(distance for record in of_mask for distance in record["others"])
        assert_allclose(kept, np.sort(false)[:2], atol=5.1e-5)
        assert [record["pixels"] for record in of_mask] == [digest(face) for face in people.probes]
    # the undamaged face has no hole, whatever masks there are
    undamaged = found["undamaged"][1]
    assert {record["mask"] for record in undamaged} == {"none"}
    own = np.linalg.norm(describe(people.probes) - describe(people.gallery), axis=-1)
    assert_allclose([record["own"] for record in undamaged], own, atol=5.1e-5)
    assert heard == [
        *((f"heads damaged {mask}", count) for mask in ASKED.masks for count in (3, 3, 2)),
        *(("heads undamaged none", count) for count in (3, 3, 2)),
    ]


def test_another_process_can_describe_what_it_is_handed(people, tmp_path, generator, discriminator, monkeypatch):
    monkeypatch.setattr(recognition, "load", lambda size, framing: (size, framing) == (64, CELEBA_108) and describe)
    save_model(tmp_path / "model", generator, discriminator, framing=CELEBA_108, training={})
    choice = Choice(names={"flat": "harmonic"}, model=load_model(tmp_path / "model"), precision="fp32")
    methods = {**BOUNDS, **choice.built(torch.device("cpu"))}
    describing = pickle.dumps(Describing(choice, {"heads": people.probes}, ASKED.seed, 64, CELEBA_108))
    handed = []

    def through(pieces):
        describer = pickle.loads(describing).made("cpu")
        for piece in pieces:
            handed.append(piece)
            yield describer(piece)

    found = measured(people, tmp_path / "there", methods, through=through)
    assert found == measured(people, tmp_path / "here", methods)
    # eight people in threes, under two masks, the undamaged under none
    assert len(handed) == 3 * (2 + 1 + 2)
    assert measured(people, tmp_path / "there", methods, through=through) == found
    assert len(handed) == 15


def test_a_method_sees_no_more_than_the_known_pixels(people, tmp_path):
    given = []

    def restore(images, holes, seeds):
        given.append((images, holes, seeds))
        return images + holes[..., None] * 3.0

    measured(people, tmp_path, {"white": Method(restore=restore)})
    images, holes, seeds = given[1]
    assert seeds == [seed_of(5, i) for i in (3, 4, 5)]
    assert_array_equal(holes, [masks.draw("left", (64, 64), seed) for seed in seeds])
    assert_array_equal(images, np.where(holes[..., None], 0, people.probes[3:6] / 255))


def test_a_mask_is_measured_once_and_what_was_cut_short_again(people, tmp_path):
    calls = []

    def restore(images, holes, _):
        if len(calls) == 4:
            raise KeyboardInterrupt
        calls.append(len(images))
        return np.where(holes[..., None], 0.5, images)

    methods = {"ours": Method(restore=restore)}
    with pytest.raises(KeyboardInterrupt):
        measured(people, tmp_path, methods)
    assert {record["mask"] for record in read(tmp_path / "heads" / "ours.jsonl")[1]} == {"left"}
    calls.append(0)
    _, records = measured(people, tmp_path, methods)["ours"]
    assert calls == [3, 3, 2, 3, 0, 3, 3, 2]
    assert len(records) == 2 * N
    measured(people, tmp_path, methods)
    assert len(calls) == 8
    # a kill within the writing of a mask
    path = tmp_path / "heads" / "ours.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    assert measured(people, tmp_path, methods)["ours"][1] == records
    assert len(calls) == 11


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda people, asked: (People(people.gallery[::-1], people.probes), asked), "expected results with pictures"),
        (lambda people, asked: (People(people.gallery[:3], people.probes[:3]), asked), "with people 3, got 8"),
        (lambda people, asked: (people, dataclasses.replace(asked, seed=6)), "with seed 6, got 5"),
    ],
)
def test_results_of_others_are_refused(people, tmp_path, change, message):
    measured(people, tmp_path, BOUNDS)
    others, asked = change(people, ASKED)
    with pytest.raises(InputError, match=message):
        measured(others, tmp_path, BOUNDS, asked)


def test_what_is_not_finite_is_nobody(people, tmp_path):
    broken = {"broken": Method(restore=lambda images, *_: images * np.nan)}
    with pytest.raises(
        ModelError, match=r"recognise: expected finite images under left, got NaN or Inf among faces \[0, 1, 2\]"
    ):
        measured(people, tmp_path, broken)
    assert not (tmp_path / "heads" / "broken.jsonl").exists()


def test_masks_are_the_evaluation_s_with_eyes_and_mouth():
    assert set(RECOGNISED) - set(recognition.MASKS) == {"eyes", "mouth"}
    assert set(recognition.MASKS) < set(RECOGNISED)
    assert masks_of("undamaged", RECOGNISED) == ("none",)
    assert masks_of("damaged", RECOGNISED) == RECOGNISED
