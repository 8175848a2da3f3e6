"""A program that was written for IOPaint."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from faceinpaint_fast.service import iopaint
from faceinpaint_fast.service.iopaint import PATH


def url(data):
    return "data:image/png;base64," + base64.b64encode(data).decode()


@pytest.fixture
def body(png, face, hole):
    """What its web page sends, in part."""
    return {
        "image": url(png(face)),
        "mask": url(png(hole)),
        "ldm_steps": 20,
        "hd_strategy": "Crop",
        "prompt": "",
        "sd_seed": 7,
        "cv2_flag": "INPAINT_NS",
        "enable_controlnet": False,
    }


def test_it_gets_a_png_and_the_seed(client, service, body, face, hole, decoded):
    answer = client.post(PATH, json=body)
    assert (answer.status_code, answer.headers["content-type"], answer.headers["x-seed"]) == (200, "image/png", "7")
    assert (decoded(answer.content) == service.engine.inpainter(face, hole, seed=7).image).all()


def test_a_seed_of_minus_1_is_any(client, body):
    seeds = {client.post(PATH, json={**body, "sd_seed": -1}).headers["x-seed"] for _ in range(2)}
    assert len(seeds) == 2
    assert all(int(seed) >= 0 for seed in seeds)


def test_a_mask_is_cut_at_127_and_nobody_doubts_it(client, body, png, face, decoded):
    mask = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))
    answer = client.post(PATH, json={**body, "mask": url(png(mask))})
    assert answer.status_code == 200
    assert (decoded(answer.content)[:, :32] == face[:, :32]).all()
    assert (decoded(answer.content)[:, 33:] != face[:, 33:]).any()


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"mask": url(b"x")}, 415),
        ({"image": "no base64"}, 422),
        ({"image": None}, 422),
        ({"sd_seed": "x"}, 422),
    ],
)
def test_what_is_wrong_is_said_as_it_says_it(change, status, client, body):
    answer = client.post(PATH, json={**body, **change})
    assert answer.status_code == status
    told = answer.json()
    assert told["error"] == "HTTPException"
    assert told["detail"] == told["errors"] != ""
    assert told["request_id"] == answer.headers["x-request-id"]


def test_a_mask_of_another_size_has_its_status(client, body, png):
    answer = client.post(PATH, json={**body, "mask": url(png(np.zeros((9, 9), np.uint8)))})
    assert answer.status_code == 400


def test_other_fields_are_passed_over():
    assert iopaint.asked({"image": "QQ==", "mask": "QQ==", "other": [1]}).image == b"A"
