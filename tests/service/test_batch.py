"""Archives of pictures, restored."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile

import pytest

from faceinpaint_fast.service.app import BATCH


@pytest.fixture
def packed(png, face, hole):
    members = {"b/two.png": png(face), "b/two_mask.png": png(hole), "one.png": png(face), "broken.png": b"x"}

    def of(kind):
        file = io.BytesIO()
        if kind == "zip":
            with zipfile.ZipFile(file, "w") as made:
                for name, data in members.items():
                    made.writestr(name, data)
        else:
            with tarfile.open(fileobj=file, mode="w") as made:
                for name, data in members.items():
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    made.addfile(info, io.BytesIO(data))
        return file.getvalue()

    return of


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_pictures_come_back_with_a_line_each(kind, packed, client, service, face, hole, decoded):
    answer = client.post(BATCH, content=packed(kind), params={"seed": 3, "format": "png"})
    assert answer.status_code == 200
    file = io.BytesIO(answer.content)
    if kind == "zip":
        with zipfile.ZipFile(file) as made:
            found = {name: made.read(name) for name in made.namelist()}
    else:
        with tarfile.open(fileobj=file) as made:
            found = {info.name: made.extractfile(info).read() for info in made}
    assert found.keys() == {"b/two.png", "manifest.jsonl"}
    assert (decoded(found["b/two.png"]) == service.engine.inpainter(face, hole, seed=3).image).all()
    two, broken, one = map(json.loads, found["manifest.jsonl"].splitlines())
    assert (two["input"], two["output"], two["error"]) == ("b/two.png", "b/two.png", None)
    assert two["losses"]["total"] > 0
    assert broken["output"] is one["output"] is None
    assert broken["error"].startswith("hole: ")
    assert one["error"].startswith("hole: ")


def test_pictures_without_a_hole_have_one_by_its_name(packed, client):
    answer = client.post(BATCH, content=packed("zip"), params={"hole": "centre"})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as made:
        assert made.namelist() == ["b/two.png", "one.png", "manifest.jsonl"]
        lines = [json.loads(line) for line in made.read("manifest.jsonl").splitlines()]
    assert [line["input"] for line in lines] == ["b/two.png", "broken.png", "one.png"]
    assert lines[1]["error"].startswith("image: ")


@pytest.mark.parametrize(
    ("params", "field"), [({"seed": "x"}, "seed"), ({"hole": "nowhere.png"}, "hole"), ({"boxes": "[]"}, "boxes")]
)
def test_options_that_do_not_fit_are_refused(params, field, packed, client, service):
    answer = client.post(BATCH, content=packed("zip"), params=params)
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, field)
    assert service.room.requests == 0


def test_it_has_a_place_until_it_is_sent(packed, client, service):
    with client.stream("POST", BATCH, content=packed("zip"), params={"hole": "left"}) as answer:
        assert answer.status_code == 200
        answer.read()
    assert service.room.requests == 0


def test_what_is_no_archive_is_refused(client):
    assert client.post(BATCH, content=b"x").status_code == 415
