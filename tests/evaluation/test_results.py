"""What an evaluation leaves behind: files by slug that grow, resume, and are read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from faceinpaint_fast import InputError
from faceinpaint_fast.evaluation.methods import METHODS
from faceinpaint_fast.evaluation.results import FIELDS, QUALITY, RECOGNITION, Log, read, read_all, slug

EVIDENCE = Path(__file__).parents[2] / "evidence"
HEADER = {"method": "Our noise", "data": "heads", "config": {"k": 7}, "seed": 0}


def record(mask="left", face=0):
    return dict.fromkeys(FIELDS[QUALITY], 0.5) | {"mask": mask, "face": face}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("default", "default"),
        ("Poisson blend", "poisson-blend"),
        ("0.2 L1 and 0.797 SSIM, as printed", "0.2-l1-and-0.797-ssim-as-printed"),
        ("  alpha = 6 ", "alpha-6"),
        ("../a/b", "a-b"),
        ("É (2)", "2"),
    ],
)
def test_a_slug_has_small_letters_digits_dots_and_dashes(name, expected):
    assert slug(name) == expected


@pytest.mark.parametrize("name", ["", " ", "..", "!?"])
def test_a_name_without_a_slug_is_refused(name):
    with pytest.raises(InputError, match="method: expected a name with a letter or a digit"):
        slug(name)


def test_methods_have_slugs_of_their_own():
    assert len({slug(name) for name in METHODS}) == len(METHODS)


@pytest.mark.skipif(not EVIDENCE.exists(), reason="not in a source distribution")
def test_committed_files_have_the_slugs_of_their_methods():
    paths = list(EVIDENCE.glob("*/*/*.jsonl"))
    assert len(paths) > 40
    for path in paths:
        with path.open() as file:
            header = json.loads(file.readline())
        assert (path.parent.name, path.stem) == (header["data"], slug(header["method"])), path


def test_a_file_grows_and_remembers_what_is_done(tmp_path):
    path = tmp_path / "heads" / "our-noise.jsonl"
    log = Log(path, HEADER)
    assert log.done == set()
    assert not path.parent.exists()
    log.append([record(face=0), record(face=1)])
    log.append([record("centre")])
    assert log.done == {("left", 0), ("left", 1), ("centre", 0)}
    again = Log(path, HEADER | {"machine": "another"})
    assert again.done == log.done
    again.append([record("centre", 1)])
    header, records = read(path)
    assert header == HEADER
    assert [(each["mask"], each["face"]) for each in records] == [
        *(("left", 0), ("left", 1), ("centre", 0), ("centre", 1))
    ]


def test_what_was_cut_short_is_written_over(tmp_path):
    path = tmp_path / "our-noise.jsonl"
    Log(path, HEADER).append([record(face=0), record(face=1)])
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    log = Log(path, HEADER)
    assert log.done == {("left", 0)}
    log.append([record(face=1)])
    assert path.read_bytes() == whole


def test_a_file_of_another_evaluation_is_refused(tmp_path):
    path = tmp_path / "our-noise.jsonl"
    Log(path, HEADER).append([record()])
    for change, message in (({"seed": 1}, "seed 1, got 0"), ({"config": {"k": 5}}, "k 5, got 7")):
        with pytest.raises(InputError, match=f"expected results with {message}; choose another --out"):
            Log(path, HEADER | change)


@pytest.mark.parametrize(
    "content",
    [
        "hello\n",
        "[]\n",
        "{}\n",
        '{"method": "a", "data": "b", "config": {}}\n{"mask": "left"}\n',
        '{"method": "a", "data": "b", "config": 3}\n',
        "\n",
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / "heads" / "our-noise.jsonl"
    path.parent.mkdir()
    path.write_text(content)
    for use in (lambda: Log(path, HEADER), lambda: read_all(tmp_path)):
        with pytest.raises(InputError, match=r"our-noise\.jsonl: expected results of faceinpaint evaluate"):
            use()
    assert path.read_text() == content


def test_all_results_of_a_folder_by_their_names(tmp_path):
    for data, method, faces in (("heads", "One", 2), ("heads", "two", 1), ("others", "One", 1)):
        log = Log(tmp_path / data / f"{slug(method)}.jsonl", HEADER | {"method": method, "data": data})
        log.append([record(face=i) for i in range(faces)])
    # nothing was written before the kill
    (tmp_path / "heads" / "three.jsonl").write_text('{"meth')
    found = read_all(tmp_path)
    assert {data: {name: len(records) for name, records in of.items()} for data, of in found.items()} == {
        "heads": {"One": 2, "two": 1},
        "others": {"One": 1},
    }


def test_a_folder_of_such_folders(tmp_path):
    for folder, method in (("one", "A"), ("two", "A"), ("two", "B")):
        header = HEADER | {"method": method, "data": "heads"}
        Log(tmp_path / folder / "heads" / f"{slug(method)}.jsonl", header).append([record()])
    assert {data: list(of) for data, of in read_all(tmp_path).items()} == {"one/heads": ["A"], "two/heads": ["A", "B"]}
    assert list(read_all(tmp_path / "two")) == ["heads"]


def test_no_results_and_two_files_of_one_method_are_refused(tmp_path):
    with pytest.raises(InputError, match="nothing: expected results of faceinpaint evaluate, got none"):
        read_all(tmp_path / "nothing")
    for name in ("our-noise", "Our noise"):
        Log(tmp_path / "heads" / f"{name}.jsonl", HEADER).append([record()])
    with pytest.raises(InputError, match="expected one file of Our noise, got another beside it"):
        read_all(tmp_path)


def test_kinds_of_records_are_told_apart(tmp_path):
    of_people = {"mask": "left", "face": 0, "own": 0.5, "rank": 0, "others": []}
    Log(tmp_path / "heads" / "one.jsonl", HEADER | {"method": "one"}).append([record()])
    header = HEADER | {"method": "two", "kind": RECOGNITION}
    Log(tmp_path / "heads" / "two.jsonl", header).append([of_people])
    assert read_all(tmp_path) == {"heads": {"one": [record()]}}
    assert read_all(tmp_path, RECOGNITION) == {"heads": {"two": [of_people]}}
    with pytest.raises(InputError, match="expected results with kind None, got recognition"):
        Log(tmp_path / "heads" / "two.jsonl", HEADER | {"method": "two"})
    (tmp_path / "heads" / "one.jsonl").unlink()
    assert read_all(tmp_path) == {}
    # a record of the one kind is none of the other
    Log(tmp_path / "heads" / "three.jsonl", header).append([record()])
    with pytest.raises(InputError, match=r"three\.jsonl: expected results of faceinpaint evaluate"):
        read_all(tmp_path)
