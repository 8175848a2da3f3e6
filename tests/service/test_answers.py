"""Answers: as a picture, as JSON, as events."""

from __future__ import annotations

import base64
import json

import pytest

from faceinpaint_fast.service import answers
from faceinpaint_fast.service.app import INPAINT


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", ""),
        ("*/*", ""),
        ("image/png, application/json", "application/json"),
        ("text/html,Application/JSON;q=0.5", "application/json"),
        ("text/event-stream", "text/event-stream"),
    ],
)
def test_the_answer_is_of_the_kind_that_is_accepted(accept, kind):
    assert answers.wanted(accept) == kind


def events(client, **sent):
    with client.stream("POST", INPAINT, headers={"accept": "text/event-stream"}, **sent) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = "".join(answer.iter_text()).split("\n\n")
    assert lines.pop() == ""
    parts = [line.split("\n") for line in lines]
    return [(kind.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for kind, data in parts]


def test_events_tell_how_it_goes_on_and_at_last_the_result(client, png, face, hole, decoded):
    files = {"image": png(face), "hole": png(hole)}
    told = events(client, files=files)
    assert [kind for kind, _ in told] == ["progress"] * (len(told) - 1) + ["result"]
    steps = [said["done"] for _, said in told[:-1] if said["stage"] == "search"]
    assert steps == sorted(set(steps))
    assert steps[-1] == told[-2][1]["of"] == 30
    result = told[-1][1]
    assert (decoded(base64.b64decode(result["picture"])) == decoded(client.post(INPAINT, files=files).content)).all()


def test_events_of_a_photograph_tell_of_all_of_it(client, png, photo, part, eyes):
    told = events(client, files={"image": png(photo), "hole": png(part)}, data={"eyes": json.dumps(eyes)})
    shares = [said["done"] for _, said in told[:-1] if said["stage"] == "photograph"]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 100
    assert told[-1][0] == "result"


def test_an_error_is_the_last_event(client, service, png, photo, part):
    box = {"boxes": "[[5, 5, 0, 0]]"}
    told = events(client, files={"image": png(photo), "hole": png(part)}, data=box)
    kind, said = told[-1]
    assert (kind, said["status"], said["error"]["field"]) == ("error", 422, "boxes")
    assert len(said["request_id"]) == 32
    assert service.room.requests == 0


def test_an_unforeseen_error_is_an_event_without_what_it_says(client, service, monkeypatch, png, face, hole):
    async def fails(*_arguments, **_named):
        raise RuntimeError("secret")

    monkeypatch.setattr(service, "restored", fails)
    ((kind, said),) = events(client, files={"image": png(face), "hole": png(hole)})
    assert (kind, said["status"]) == ("error", 500)
    assert "secret" not in json.dumps(said)


def test_what_is_refused_before_it_begins_has_a_status(client):
    answer = client.post(INPAINT, json={}, headers={"accept": "text/event-stream"})
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/json")
