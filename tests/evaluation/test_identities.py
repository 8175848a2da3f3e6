"""Who is who, and which pictures of them are taken."""

from __future__ import annotations

import tarfile

import pytest
from numpy.testing import assert_array_equal

from faceinpaint_fast import InputError
from faceinpaint_fast.evaluation.identities import key, load_people, pairs, read_identities
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.images import write_image


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a/b.tar:000123.jpg", "123"),
        ("b.tar:c/000123.jpg", "123"),
        ("123", "123"),
        ("C:\\faces\\anna.1.png", "anna.1"),
        ("000", "0"),
    ],
)
def test_what_tells_a_picture(name, expected):
    assert key(name) == expected


def test_a_file_says_who_is_who(tmp_path):
    path = tmp_path / "people.csv"
    path.write_text('number,identity\n0012.jpg,7\nheads/b.png,"Smith, Jo"\n12,7\n')
    assert read_identities(path) == {"12": "7", "b": "Smith, Jo"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "expected a CSV file of pictures and people, got: "),
        (b"a,b\n\xff,1\n", "expected a CSV file of pictures and people, got: "),
        (b"", "got no line below the heads"),
        (b"number,identity\n", "got no line below the heads"),
        (b"number,identity\n1,2\n3\n", "expected a picture and a person in line 3, got '3'"),
        (b"number,identity\n1,\n", "expected a picture and a person in line 2, got '1,'"),
        (b"number,identity\n1,2\n01.jpg,3\n", "expected one person in picture 1, got another in line 3"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, content, message):
    path = tmp_path / "people.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_identities(path)


def test_the_first_two_pictures_of_each_person_who_has_two():
    names = ["t:9.jpg", "t:4.jpg", "t:7.jpg", "t:1.jpg", "t:2.jpg", "t:3.jpg", "t:5.jpg"]
    who = {"1": "ann", "2": "ben", "3": "ann", "4": "cy", "5": "ann", "7": "ben", "9": "dot"}
    # in the order of their first pictures: ben's lies before ann's
    assert pairs(names, who) == [(2, 4), (3, 5)]
    assert pairs(names, {}) == []


def test_people_of_a_shard(tmp_path, faces):
    with tarfile.open(tmp_path / "shard.tar", "w") as tar:
        for i in range(6):
            write_image(tmp_path / f"{i}.png", faces[i])
            tar.add(tmp_path / f"{i}.png", f"{i}.png")
    source = [tmp_path / "shard.tar"]
    who = {"0": "ann", "1": "ben", "2": "cy", "3": "ben", "4": "ann", "5": "cy"}
    people = load_people(source, who, size=64, framing=CELEBA_108)
    assert len(people) == 3
    assert_array_equal(people.gallery, faces[[0, 1, 2]])
    assert_array_equal(people.probes, faces[[4, 3, 5]])
    assert_array_equal(load_people(source, who, size=64, framing=CELEBA_108, limit=2).probes, faces[[4, 3]])
    with pytest.raises(InputError, match=r"two people or more with two pictures each in .*shard\.tar, got 1"):
        load_people(source, {"0": "ann", "4": "ann"}, size=64, framing=CELEBA_108)
    with pytest.raises(InputError, match="expected pictures of different names"):
        load_people(source * 2, who, size=64, framing=CELEBA_108)
