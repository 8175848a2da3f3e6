"""The paths of the service: what each answers, and with which status."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from starlette.testclient import TestClient

from faceinpaint_fast.service.app import FACES, INPAINT, application
from faceinpaint_fast.service.service import Service


def test_it_lives_and_is_ready(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (200, {"ready": True})


def test_it_is_not_ready_before_it_is_warm_and_when_it_ends(client, service, monkeypatch):
    monkeypatch.setattr(service, "is_ready", False)
    assert client.get("/readyz").status_code == 503
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize("body", ["form", "json", "data url"])
def test_an_aligned_face_is_restored_as_its_inpainter_does(body, client, service, png, face, hole, decoded):
    image, mask = png(face), png(hole)
    if body == "form":
        sent = {"files": {"image": ("x", image), "hole": ("y", mask)}, "data": {"seed": "5"}}
    else:
        begin = "data:image/png;base64," if body == "data url" else ""
        texts = (begin + base64.b64encode(data).decode() for data in (image, mask))
        sent = {"json": {**dict(zip(("image", "hole"), texts, strict=True)), "seed": 5}}
    answer = client.post(INPAINT, **sent)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert (decoded(answer.content) == service.engine.inpainter(face, hole, seed=5).image).all()
    assert answer.headers["x-seed"] == "5"
    assert json.loads(answer.headers["x-losses"]).keys() >= {"total", "context"}
    assert "search;dur=" in answer.headers["server-timing"]


def test_a_photograph_is_restored_as_its_restorer_does(client, service, png, photo, part, eyes, decoded):
    fields = {"eyes": json.dumps(eyes), "mirror": "off"}
    files = {"image": png(photo), "hole": png(part)}
    answer = client.post(INPAINT, files=files, data=fields, headers={"accept": "application/json"})
    assert answer.status_code == 200
    told = answer.json()
    restorer = service._restorer()
    expected = restorer(photo, part, faces=np.array(eyes).reshape(1, 2, 2), mirror="off")
    assert (decoded(base64.b64decode(told["picture"])) == expected.image).all()
    assert told["media_type"] == "image/png"
    assert told["request_id"] == answer.headers["x-request-id"]
    (found,) = told["faces"]
    assert found["restored"]
    assert found["points"] == np.reshape(eyes, (2, 2)).tolist()
    assert np.shape(found["frame"]) == (4, 2)
    assert told["losses"] == found["losses"]
    assert told["seconds"].keys() >= {"decode", "queue", "search", "blend", "encode", "total"}


def test_faces_are_found_in_a_photograph(client, png, photo, eyes):
    answer = client.post(FACES, files={"image": png(photo)})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["width"], told["height"]) == (230, 260)
    (found,) = told["faces"]
    assert np.shape(found["points"]) == (5, 2)
    # half of a pixel of the model's
    assert np.abs(np.array(found["points"][:2]) - np.reshape(eyes, (2, 2))).max() < 3
    assert found["score"] is None


def test_a_photograph_without_a_face_is_refused_and_iopaint_fills_it(client, png, part):
    grey = png(np.full((260, 230, 3), 99, np.uint8))
    answer = client.post(INPAINT, files={"image": grey, "hole": png(part)})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "image")
    told = {"image": base64.b64encode(grey).decode(), "mask": base64.b64encode(png(part)).decode()}
    assert client.post("/api/v1/inpaint", json=told).status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("boxes", [[0, 0, 1e6, 1e6]]),
        ("boxes", [[5, 5, 0, 0]]),
        ("eyes", [[5, 5, 5, 5]]),
    ],
)
def test_faces_that_nobody_can_have_are_refused(field, value, client, png, photo, part):
    answer = client.post(INPAINT, files={"image": png(photo), "hole": png(part)}, data={field: json.dumps(value)})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)


def test_an_aligned_face_is_of_the_models_size_or_refused(client, png, photo, part):
    answer = client.post(INPAINT, files={"image": png(photo), "hole": png(part)}, data={"aligned": "true"})
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "image")


def test_more_iterations_are_another_search(client, service, png, face, hole, decoded):
    files = {"image": png(face), "hole": png(hole)}
    answer = client.post(INPAINT, files=files, data={"iterations": "2"})
    expected = service.engine.inpainter.iterating(2)(face, hole).image
    assert (decoded(answer.content) == expected).all()
    assert (decoded(client.post(INPAINT, files=files).content) != expected).any()


def test_a_hole_without_a_pixel_gives_the_picture_back(client, png, face, hole, decoded):
    answer = client.post(INPAINT, files={"image": png(face), "hole": png(0 * hole)}, data={"force": "true"})
    assert (decoded(answer.content) == face).all()
    assert "nothing is missing" in answer.headers["x-remarks"]


@pytest.mark.parametrize(
    ("sent", "status", "field"),
    [
        ({"content": b"x"}, 415, None),
        ({"content": b"x", "headers": {"content-type": "text/plain"}}, 415, None),
        ({"content": b'{"image": ', "headers": {"content-type": "application/json"}}, 400, None),
        ({"content": b"[" * 9999, "headers": {"content-type": "application/json"}}, 400, None),
        ({"content": b"[]", "headers": {"content-type": "application/json"}}, 422, None),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data"}}, 400, None),
        ({"content": b"x", "headers": {"content-type": "multipart/form-data; boundary=y"}}, 400, None),
        ({"json": {"image": "", "hole": "centre"}}, 415, "image"),
        ({"json": {"image": "", "hole": "centre", "seed": "x"}}, 422, "seed"),
        ({"files": [("image", b""), ("image", b"")]}, 422, "image"),
        ({"files": [(f"f{i}", b"") for i in range(40)]}, 400, None),
        ({"data": {"image": "x" * 70_000}, "files": {"hole": b""}}, 400, None),
    ],
)
def test_what_does_not_fit_is_refused_with_its_status_and_field(sent, status, field, client):
    answer = client.post(INPAINT, **sent)
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert told["error"]["field"] == field
    assert told["error"]["message"]
    assert told["request_id"] == answer.headers["x-request-id"]


def test_other_paths_and_methods_are_refused_alike(client):
    for answer, status in ((client.get("/nowhere"), 404), (client.get(INPAINT), 405), (client.put("/healthz"), 405)):
        assert answer.status_code == status
        assert answer.json()["error"]["message"].startswith("path: ")


def test_a_full_service_says_when_to_come_again(client, service, png, face, hole):
    files = {"image": png(face), "hole": png(hole)}
    service.room.requests += service.settings.queue
    try:
        for answer in (client.post(INPAINT, files=files), client.post(FACES, files={"image": png(face)})):
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) >= 1
        assert client.get("/healthz").status_code == 200
    finally:
        service.room.requests -= service.settings.queue
    assert client.post(INPAINT, files=files).status_code == 200


@pytest.mark.usefixtures("client")
def test_every_request_leaves_its_place(service):
    assert service.room.requests == 0
    assert service.room._taken == 0


def test_the_page_and_its_files_are_served_with_a_policy(client):
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert client.get("/page/index.html").status_code == 200
    for path in ("/page/../settings.py", "/page/%2e%2e/settings.py", "/..%2fsettings.py", "/page/..%5csettings.py"):
        assert client.get(path).status_code == 404, path
    assert "access-control-allow-origin" not in client.get("/", headers={"origin": "http://elsewhere"}).headers


def test_the_page_that_needs_no_service_is_served_where_it_is_told_of(model, settings, client, tmp_path):
    (tmp_path / "index.html").write_text("<title>alone</title>")
    told = TestClient(application(Service(model, settings(page=tmp_path))))
    answer = told.get("/alone/")
    assert answer.text == "<title>alone</title>"
    # its policy stands in itself, and another one would come on top
    assert answer.headers["content-security-policy"] == "frame-ancestors 'none'"
    assert told.get("/alone/..%2fsettings.py").status_code == 404
    assert client.get("/alone/").status_code == 404


def test_an_unforeseen_error_is_told_as_any_other(client, service, monkeypatch, png, face, hole):
    def fails(*_arguments, **_named):
        raise RuntimeError("secret")

    monkeypatch.setattr(service, "restore", fails)
    answer = client.post(INPAINT, files={"image": png(face), "hole": png(hole)})
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert service.room.requests == 0
