"""Pieces done by processes on Ray: in order, and whatever becomes of a piece or of a process."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest

from faceinpaint_fast.cluster import crew
from faceinpaint_fast.cluster.crew import Crew, Member
from faceinpaint_fast.errors import InputError, ModelError


def recipe(does):
    """A recipe of a function that goes to other processes as it is, as they could not import it."""

    class Recipe:
        def made(self, device):
            return lambda piece: does(device, piece)

    return Recipe()


@pytest.fixture
def through(on_ray):  # noqa: ARG001
    def through_it(does, pieces, **asked):
        return Crew(**{"workers": 2, "device": "cpu", **asked}).in_order(recipe(does), pieces)

    return through_it


def test_pieces_come_in_their_order_whoever_is_through_first(through):
    def slow_first(device, piece):
        import time

        time.sleep(2.0 if piece == 0 else 0.0)
        return device, piece, os.getpid()

    found = [*through(slow_first, range(12))]
    assert [(device, piece) for device, piece, _ in found] == [("cpu", piece) for piece in range(12)]
    assert len({process for *_, process in found}) == 2
    assert os.getpid() not in {process for *_, process in found}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InputError("picture: expected another"), InputError("picture: expected another")),
        (
            ZeroDivisionError("by zero"),
            ModelError("ray: expected processes that do the work, got one that cannot: ZeroDivisionError: by zero"),
        ),
    ],
    ids=["ours", "another"],
)
def test_an_error_of_ours_is_what_it_would_be_here_and_another_one_in_a_line(through, error, expected):
    def odd(_device, piece):
        if piece == 3:
            raise error
        return piece

    found = through(odd, range(5))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(type(expected)) as raised:
        next(found)
    assert str(raised.value) == str(expected)


def test_a_process_that_dies_is_replaced_and_its_piece_done_again(through, tmp_path):
    begun = tmp_path / "begun"

    def mortal(_device, piece):
        if piece == 4:
            with begun.open("a") as file:
                file.write("x")
            if begun.read_text() != "xx":
                os.kill(os.getpid(), 9)
        return piece

    assert [*through(mortal, range(8))] == [*range(8)]
    assert begun.read_text() == "xx"


def test_a_piece_that_ends_every_process_is_an_error_in_the_end(through, tmp_path, monkeypatch):
    monkeypatch.setattr(crew, "TRIES", 2)
    begun = tmp_path / "begun"

    def deadly(_device, piece):
        if piece == 3:
            with begun.open("a") as file:
                file.write("x")
            os._exit(139)
        return piece

    found = through(deadly, range(6))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(
        ModelError, match=r"^ray: expected pieces that end no process, got one that ended every one: 3$"
    ):
        next(found)
    assert begun.read_text() == "xx"


def test_without_pieces_ray_is_not_asked():
    assert [*Crew(address="nowhere:1").in_order(recipe(print), [])] == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (None, "ray: expected it to start on this machine, it does not: timed out"),
        ("head:1", "address: expected a Ray cluster that can be reached, got head:1: timed out"),
    ],
)
def test_where_ray_cannot_be_had_it_is_an_error_in_its_words(monkeypatch, address, message):
    ray = pytest.importorskip("ray", reason="ray is not installed")

    def init(**_):
        raise Exception("timed out")  # as Ray does

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(InputError, match=f"^{message}$"), Crew(address=address).at_work():
        pass


@pytest.mark.usefixtures("on_ray")
def test_a_cluster_without_a_gpu_is_told():
    with (
        pytest.raises(InputError, match="device: expected a cluster with a GPU, got one without"),
        Crew(device="cuda").at_work(),
    ):
        pass
    with Crew().at_work() as pool:
        assert (pool.workers, pool.threads, pool.device, pool.gpus) == (2, 1, "cpu", 0)
    with Crew(threads=2).at_work() as pool:
        assert (pool.workers, pool.threads) == (1, 2)
    with Crew(threads=5).at_work() as pool:
        assert pool.workers == 1


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"device": "tpu"}, "device: expected auto, cpu or cuda on a cluster, got 'tpu'"),
        ({"threads": 0}, "threads: expected an integer >= 1, got 0"),
        ({"workers": 0}, "workers: expected an integer >= 1, got 0"),
    ],
)
def test_what_is_asked_is_checked(asked, message):
    with pytest.raises(InputError, match=message):
        Crew(**asked)


def test_what_was_warned_of_is_told_here_once(through):
    def warned(_device, piece):
        for _ in range(3):
            warnings.warn(f"piece {piece}", UserWarning, stacklevel=1)
        return piece

    with pytest.warns(UserWarning, match="^piece 7$") as caught:
        assert [*through(warned, [7])] == [7]
    assert len(caught) == 1


def test_relative_paths_are_meant_where_the_command_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    Member(recipe(print), "cpu", 1, tmp_path)
    assert Path.cwd() == tmp_path
    # a machine that lacks the folder has absolute paths alone
    Member(recipe(print), "cpu", 1, tmp_path / "nowhere")
    assert Path.cwd() == tmp_path
