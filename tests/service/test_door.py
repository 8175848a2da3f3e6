"""The door: ids, tokens, and the bounds of bodies."""

from __future__ import annotations

import asyncio
import json
import logging
import time

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from faceinpaint_fast.service import door as of_door
from faceinpaint_fast.service.door import Door
from faceinpaint_fast.service.measures import Measures

TOKEN = "0123456789abcdef"


async def reads(scope, receive, send):
    """An application that reads the body, and says how long it is; of /early not before it answers."""
    length = 0
    if scope["path"] != "/early":
        try:
            async for chunk in Request(scope, receive).stream():
                length += len(chunk)
        except ClientDisconnect:
            return
    if scope["path"] == "/fails":
        raise RuntimeError("secret")
    await JSONResponse({"length": length})(scope, receive, send)


@pytest.fixture
def door(settings):
    def of(app=reads, **told):
        return Door(app, settings(**told), Measures(), archives="/v1/archive")

    return of


def test_every_answer_has_an_id_of_its_own_and_is_safe(door):
    client = TestClient(door())
    answers = [client.post("/"), client.post("/early"), client.post("/fails")]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 3
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'self'" in answer.headers["content-security-policy"]
    # one of the client's is of no use to it
    assert client.post("/", headers={"x-request-id": "mine"}).headers["x-request-id"] != "mine"


def test_an_error_is_told_without_what_it_says_and_logged_with_it(door, caplog):
    answer = TestClient(door()).post("/fails")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    (found,) = [each for each in caplog.records if each.exc_info]
    assert found.request_id == answer.json()["request_id"]
    assert "secret" in str(found.exc_info[1])


@pytest.mark.parametrize("path", ["/v1/inpaint", "/api/v1/inpaint", "/metrics"])
def test_a_token_opens_what_is_guarded(path, door):
    client = TestClient(door(token=TOKEN))
    for given in (None, "", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer \xe4".encode("latin-1")):
        answer = client.post(path, headers={} if given is None else {"authorization": given})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["error"]["field"] is None
    assert client.post(path, headers={"authorization": f"bearer {TOKEN}"}).status_code == 200
    for open_ in ("/", "/page/main.js", "/docs", "/healthz", "/readyz"):
        assert client.post(open_).status_code == 200


def chunks(count, size=1000):
    for _ in range(count):
        yield bytes(size)


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_has_a_limit_whether_it_says_how_long_it_is_or_not(declared, door):
    client = TestClient(door(body=10_000, archive=20_000))

    def status(path, count):
        return client.post(path, content=b"".join(chunks(count)) if declared else chunks(count)).status_code

    assert (status("/", 10), status("/", 11)) == (200, 413)
    assert (status("/v1/archive", 20), status("/v1/archive", 21)) == (200, 413)


def test_bodies_have_a_limit_together(door, monkeypatch):
    monkeypatch.setattr(of_door, "BODIES", 2)
    opened = door(body=10_000, archive=10_000)
    opened._held = 15_000
    client = TestClient(opened)
    assert client.post("/", content=bytes(5000)).status_code == 200
    answer = client.post("/", content=bytes(6000))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert opened._held == 15_000


def visited(opened, messages, headers=(), path="/"):
    """The messages that a visit answers, and how many of those for it were taken."""
    answers, left = [], list(messages)

    async def receive():
        if not left:
            await asyncio.sleep(60)
        return left.pop(0)

    async def send(message):
        answers.append(message)

    scope = {"type": "http", "method": "POST", "path": path, "headers": list(headers), "query_string": b""}
    asyncio.run(opened(scope, receive, send))
    return answers, len(messages) - len(left)


def piece(more, size=10):
    return {"type": "http.request", "body": bytes(size), "more_body": more}


def test_a_body_that_does_not_come_is_not_waited_for(door):
    start = time.monotonic()
    answers, _ = visited(door(deadline=0.1), [piece(more=True)])
    assert answers[0]["status"] == 408
    assert b"0.1 s" in answers[1]["body"]
    assert (b"connection", b"close") in answers[0]["headers"]
    # and that it is heard to its end has an end too
    assert time.monotonic() - start < of_door.LINGER + 2


def test_what_is_still_sent_is_heard_before_an_early_answer(door):
    answers, taken = visited(door(), [piece(more=True)] * 5 + [piece(more=False)], path="/early")
    assert (answers[0]["status"], taken) == (200, 6)
    assert (b"connection", b"close") not in answers[0]["headers"]


def test_who_waits_to_be_told_to_go_on_is_answered_at_once(door):
    headers = [(b"expect", b"100-continue"), (b"content-length", b"99999999999")]
    answers, taken = visited(door(), [piece(more=True)], headers)
    assert (answers[0]["status"], taken) == (413, 0)


def test_who_leaves_is_noted_as_gone(door, caplog):
    caplog.set_level(logging.INFO)
    opened = door()
    visited(opened, [piece(more=True), {"type": "http.disconnect"}])
    (line,) = [each for each in caplog.records if each.message == "request"]
    assert line.status == 499
    assert opened._held == 0


def test_a_line_tells_of_a_request_what_can_be_said(door, caplog):
    caplog.set_level(logging.INFO)
    answer = TestClient(door()).post("/a%0A%1B%5B31m" + "x" * 1000)
    (line,) = [each for each in caplog.records if each.message == "request"]
    assert line.request_id == answer.headers["x-request-id"]
    assert line.path.isprintable()
    assert len(line.path) <= 120
    assert (line.method, line.status) == ("POST", 200)
    assert json.dumps(line.seconds)


def test_requests_are_counted_by_their_route_and_status(door):
    opened = door(token=TOKEN)
    client = TestClient(opened)
    client.post("/v1/x")
    client.post("/")
    text = opened._measures.text().decode()
    assert 'faceinpaint_requests_total{route="other",status="401"} 1.0' in text
    assert 'faceinpaint_requests_total{route="other",status="200"} 1.0' in text
