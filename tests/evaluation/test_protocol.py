"""What an evaluation asks of a method, what it writes down, and that an interruption leaves no trace."""

from __future__ import annotations

import dataclasses
import math
import os
import pickle
import re
import shutil
import tarfile

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from faceinpaint_fast import InputError, ModelError, masks
from faceinpaint_fast.evaluation import protocol
from faceinpaint_fast.evaluation.methods import Choice, Method
from faceinpaint_fast.evaluation.metrics import Quality, quality
from faceinpaint_fast.evaluation.protocol import MASKS, Evaluation, Judging, data_sets, evaluate, seed_of
from faceinpaint_fast.evaluation.results import read
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.images import write_image
from faceinpaint_fast.models import load_model, save_model

ASKED = Evaluation(masks=("left", "drop-80"), seed=5, batch=2)
MACHINE = {"python": "3"}
CONFIG = {"step": 0.25, "k": 7}


def noise(images, holes, seeds):
    """Noise of each image's seed, its brightness that of the batch: neighbours matter, as they do in a search."""
    drawn = np.stack([np.random.default_rng(seed).random(images.shape[1:]) for seed in seeds])
    return np.where(holes[..., None], drawn * images.mean(), images)


@dataclasses.dataclass
class Recorder:
    """`noise` that remembers what it was given, and is interrupted at a call."""

    interrupted: int | None = None
    calls: list = dataclasses.field(default_factory=list)

    def __call__(self, images, holes, seeds):
        if len(self.calls) == self.interrupted:
            raise KeyboardInterrupt
        self.calls.append((images, holes, seeds))
        return noise(images, holes, seeds)


def evaluated(faces, out, restore=noise, asked=ASKED, config=CONFIG):
    """One method on one data set: the file's lines, seconds left out."""
    evaluate(asked, {"noise": Method(restore=restore, config=config)}, {"heads": faces}, out, machine=MACHINE)
    return lines(out / "heads" / "noise.jsonl")


def lines(path):
    header, records = read(path)
    return [header, *({name: value for name, value in record.items() if name != "seconds"} for record in records)]


@pytest.fixture(scope="module")
def uninterrupted(faces, tmp_path_factory):
    """Five faces in batches of 2, 2 and 1, under two masks: (folder, lines)."""
    out = tmp_path_factory.mktemp("uninterrupted")
    return out, evaluated(faces[:5], out)


def test_every_method_gets_the_same_holes_a_batch_at_a_time(faces, tmp_path):
    one, other = Recorder(), Recorder()
    heard = []
    evaluate(
        ASKED,
        {"one": Method(restore=one), "other": Method(restore=other)},
        {"heads": faces[:5]},
        tmp_path,
        machine=MACHINE,
        progress=lambda what, count: heard.append((what, count)),
    )
    for of_one, of_other in zip(one.calls, other.calls, strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(of_one, of_other, strict=True))
    asked = [(mask, i) for mask in ASKED.masks for i in ((0, 1), (2, 3), (4,))]
    assert len(one.calls) == len(asked)
    for (mask, indices), (images, holes, seeds) in zip(asked, one.calls, strict=True):
        assert seeds == [seed_of(5, i) for i in indices]
        assert_array_equal(holes, [masks.draw(mask, (64, 64), seed) for seed in seeds])
        assert_array_equal(images, np.where(holes[..., None], 0, faces[list(indices)] / 255))
    expected = [(f"heads one {mask}", count) for mask in ASKED.masks for count in (2, 2, 1)]
    assert heard[: len(expected)] == expected
    assert sum(count for _, count in heard) == 20


def test_another_process_can_judge_what_it_is_handed(generator, discriminator, faces, tmp_path):
    """Pickled with its networks, and the records those of methods that were built here, in their order."""
    save_model(tmp_path / "model", generator, discriminator, framing=CELEBA_108, training={})
    choice = Choice(
        names={"ours": "over-z", "harmonic": "harmonic"},
        model=load_model(tmp_path / "model"),
        precision="fp32",
        settings={"iterations": "2"},
    )
    data, methods = {"heads": faces[:3]}, choice.built(torch.device("cpu"))
    assert [*methods] == ["ours", "harmonic"]
    assert methods["ours"].config["iterations"] == 2
    judging = pickle.dumps(Judging(choice, data, ASKED.seed))
    handed = []

    def through(pieces):
        judge = pickle.loads(judging).made("cpu")
        for piece in pieces:
            handed.append(pickle.loads(pickle.dumps(piece)))
            yield judge(handed[-1])

    evaluate(ASKED, methods, data, tmp_path / "there", machine=MACHINE, through=through)
    assert [(piece.method, piece.mask, piece.batch) for piece in handed] == [
        (name, mask, batch) for name in methods for mask in ASKED.masks for batch in (range(2), range(2, 3))
    ]
    evaluate(ASKED, methods, data, tmp_path / "here", machine=MACHINE)
    for name in methods:
        found = [lines(tmp_path / where / "heads" / f"{name}.jsonl") for where in ("there", "here")]
        assert found[0] == found[1]
        assert len(found[0]) == 1 + 2 * 3
    # nothing is handed out that is there already
    evaluate(ASKED, methods, data, tmp_path / "there", machine=MACHINE, through=through)
    assert len(handed) == 8


def test_holes_differ_from_face_to_face_and_grow_with_the_share_dropped():
    seeds = {seed_of(seed, face) for seed in range(4) for face in range(50)}
    assert len(seeds) == 200
    for name in ("free-form", "drop-80"):
        assert (masks.draw(name, (64, 64), seed_of(0, 0)) != masks.draw(name, (64, 64), seed_of(0, 1))).any()
    small, large = (masks.draw(name, (64, 64), seed_of(0, 0)) for name in ("drop-20", "drop-80"))
    assert large[small].all()


def test_a_file_has_the_slug_of_its_method(faces, tmp_path):
    heard = []
    evaluate(
        dataclasses.replace(ASKED, masks=("left",)),
        {"Our noise, 2": Method(restore=noise)},
        {"heads": faces[:1]},
        tmp_path,
        machine=MACHINE,
        progress=lambda what, _: heard.append(what),
    )
    assert lines(tmp_path / "heads" / "our-noise-2.jsonl")[0]["method"] == "Our noise, 2"
    assert heard == ["heads Our noise, 2 left"]
    # the same file, but another method's
    with pytest.raises(InputError, match=r"expected results with method our noise 2, got Our noise, 2"):
        evaluate(ASKED, {"our noise 2": Method(restore=noise)}, {"heads": faces[:1]}, tmp_path, machine=MACHINE)


def test_two_methods_of_one_slug_are_refused(faces, tmp_path):
    unused = Recorder()
    both = {"Noise": Method(restore=unused), "noise": Method(restore=unused)}
    with pytest.raises(InputError, match="methods: expected names whose files differ, got Noise, noise"):
        evaluate(ASKED, both, {"heads": faces}, tmp_path, machine=MACHINE)
    assert unused.calls == []
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"masks": ("centre", "middle")}, "hole: expected centre, .*, got 'middle'"),
        ({"masks": ("drop-0",)}, "masks: expected a hole with missing and with known pixels, got drop-0"),
        ({"masks": ("drop-100",)}, "masks: expected a hole with missing and with known pixels, got drop-100"),
        ({"batch": 0}, "batch: expected >= 1, got 0"),
        ({"seed": -1}, "seed: expected >= 0, got -1"),
    ],
)
def test_an_evaluation_checks_itself(options, message):
    with pytest.raises(InputError, match=message):
        Evaluation(**options)


def test_the_default_masks_are_all_drawn():
    assert len(set(Evaluation().masks)) == len(MASKS) == 10


def test_data_sets_have_the_names_of_their_files(tmp_path, faces):
    for i in range(3):
        write_image(tmp_path / "some.heads" / f"{i}.png", faces[i])
    for name, mode in (("shard.tar", "w"), ("b.2.tar.gz", "w:gz"), ("c.tgz", "w:gz"), ("bare", "w")):
        with tarfile.open(tmp_path / name, mode) as tar:
            tar.add(tmp_path / "some.heads" / "1.png", "1.png")
    heard = []
    paths = [tmp_path / name for name in ("some.heads", "shard.tar", "b.2.tar.gz", "c.tgz", "bare")]
    found = data_sets(paths, size=64, framing=CELEBA_108, limit=2, progress=heard.append)
    assert list(found) == ["some.heads", "shard", "b.2", "c", "bare"]
    assert_array_equal(found["some.heads"], faces[:2])
    assert_array_equal(found["c"], faces[1:2])
    assert heard == [1, 2, 1, 1, 1, 1]
    shutil.copytree(tmp_path / "some.heads", tmp_path / "shard")
    with pytest.raises(InputError, match="data: expected data sets of different names, got shard twice"):
        data_sets([tmp_path / "shard.tar", tmp_path / "shard"], size=64, framing=CELEBA_108)


def test_single_pictures_are_a_data_set_by_the_name_of_their_folder(tmp_path, faces):
    for i in range(3):
        write_image(tmp_path / "heads" / f"{i}.png", faces[i])
    heads = tmp_path / "heads"
    for sources in ([heads / "0.png", heads / "1.png", heads / "2.png"], [heads / "*.png"]):
        found = data_sets(sources, size=64, framing=CELEBA_108)
        assert list(found) == ["heads"]
        assert_array_equal(found["heads"], faces[:3])
    shutil.copytree(heads, tmp_path / "other" / "heads")
    for another in (heads, tmp_path / "other" / "heads" / "0.png"):
        for sources in ([heads / "0.png", another], [another, heads / "0.png"]):
            with pytest.raises(InputError, match="data: expected data sets of different names, got heads twice"):
                data_sets(sources, size=64, framing=CELEBA_108)


def test_a_record_is_the_quality_of_the_rounded_image(faces, uninterrupted):
    header, *records = uninterrupted[1]
    assert [(record["mask"], record["face"]) for record in records] == [(m, i) for m in ASKED.masks for i in range(5)]
    seeds = [seed_of(5, i) for i in (2, 3)]
    holes = np.stack([masks.draw("drop-80", (64, 64), seed) for seed in seeds])
    restored = noise(np.where(holes[..., None], 0, faces[2:4] / 255), holes, seeds)
    eight_bits = np.round(255 * restored).astype(np.uint8)
    for i, record in zip((0, 1), records[7:9], strict=True):
        expected = quality(eight_bits[i] / 255, faces[2 + i] / 255, holes[i])
        for name, value in dataclasses.asdict(expected).items():
            assert record[name] == pytest.approx(value, abs=0.51 * 10 ** -protocol.DECIMALS[name])
    assert header["method"] == "noise"
    assert header["data"] == "heads"
    assert (header["seed"], header["batch"], header["machine"]) == (5, 2, MACHINE)


def test_what_is_less_than_half_a_grey_level_off_is_perfect(faces, tmp_path):
    def nearly(images, holes, seeds):  # noqa: ARG001
        return faces[:2] / 255 + np.where(holes[..., None], 0.49 / 255, 0)

    _, *records = evaluated(faces[:2], tmp_path, nearly)
    assert {(record["psnr"], record["hole_psnr"], record["ssim"], record["seam"]) for record in records} == {
        (protocol.PERFECT, protocol.PERFECT, 1.0, 0.0)
    }
    # more than a single value that is off by a single level
    assert 10 * math.log10(255**2 * 64 * 64 * 3) < protocol.PERFECT


def test_results_outside_0_to_1_are_clipped(faces, tmp_path):
    def white(images, holes, seeds):  # noqa: ARG001
        return np.where(holes[..., None], 7.0, images)

    _, *records = evaluated(faces[:1], tmp_path, white, Evaluation(masks=("left",), batch=1))
    hole = masks.draw("left", (64, 64))
    expected = quality(np.where(hole[..., None], 1, faces[0] / 255), faces[0] / 255, hole)
    assert records[0]["hole_psnr"] == pytest.approx(expected.hole_psnr, abs=0.01)


def test_json_has_no_nan():
    figures = Quality(psnr=math.inf, ssim=0.123456, hole_psnr=math.nan, hole_ssim=math.nan, l1=0.1234567, seam=-123.456)
    assert protocol._rounded(figures) == {
        "psnr": 100.0,
        "ssim": 0.1235,
        "hole_psnr": None,
        "hole_ssim": None,
        "l1": 0.12346,
        "seam": -123.46,
    }


def test_seconds_are_a_batchs_over_its_size(faces, tmp_path, monkeypatch):
    now = iter([10.0, 13.0, 20.0, 20.00123456])
    monkeypatch.setattr(protocol.time, "perf_counter", lambda: next(now))
    evaluated(faces[:3], tmp_path, asked=Evaluation(masks=("left",), batch=2))
    _, records = read(tmp_path / "heads" / "noise.jsonl")
    assert [record["seconds"] for record in records] == [1.5, 1.5, 0.00123]


def test_lines_are_short(uninterrupted):
    path = uninterrupted[0] / "heads" / "noise.jsonl"
    # the names of the figures take 96 bytes of it
    assert max(map(len, path.read_text().splitlines()[1:])) <= 160


def test_what_is_not_finite_is_no_result(faces, tmp_path):
    def broken(images, holes, seeds):
        return np.where(np.array(seeds)[:, None, None, None] == seed_of(5, 3), np.nan, noise(images, holes, seeds))

    with pytest.raises(ModelError, match=r"noise\.jsonl: expected finite images under left, .* faces \[2, 3\]"):
        evaluated(faces[:5], tmp_path, broken)
    assert [line["face"] for line in lines(tmp_path / "heads" / "noise.jsonl")[1:]] == [0, 1]


@pytest.mark.parametrize("calls", range(6))
def test_a_run_that_was_interrupted_goes_on_where_it_stopped(faces, tmp_path, uninterrupted, calls):
    first, second = Recorder(interrupted=calls), Recorder()
    with pytest.raises(KeyboardInterrupt):
        evaluated(faces[:5], tmp_path, first)
    assert (tmp_path / "heads" / "noise.jsonl").exists() == (calls > 0)
    assert evaluated(faces[:5], tmp_path, second) == uninterrupted[1]
    assert len(first.calls) + len(second.calls) == 6


def test_what_is_there_is_left_alone(faces, tmp_path, uninterrupted):
    shutil.copytree(uninterrupted[0], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "heads" / "noise.jsonl"
    before = path.read_bytes()
    again = Recorder()
    evaluated(faces[:5], tmp_path, again)
    evaluated(faces[:3], tmp_path, again)
    evaluated(faces[:5], tmp_path, again, dataclasses.replace(ASKED, masks=("drop-80",)))
    assert again.calls == []
    assert path.read_bytes() == before


@pytest.mark.parametrize("kept", [0.0, 0.1, 0.2, 0.5, 0.55, 0.6, 0.9, 0.999])
def test_a_line_that_was_cut_short_is_written_again(faces, tmp_path, uninterrupted, kept):
    """Wherever the kill came, within a batch too: its faces are restored together again."""
    shutil.copytree(uninterrupted[0], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "heads" / "noise.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    assert evaluated(faces[:5], tmp_path) == uninterrupted[1]
    assert path.read_bytes().count(b"\n") == 11


def test_more_faces_later(faces, tmp_path, uninterrupted):
    evaluated(faces[:3], tmp_path)
    before = (tmp_path / "heads" / "noise.jsonl").read_bytes()
    header, *records = evaluated(faces[:5], tmp_path)
    assert (tmp_path / "heads" / "noise.jsonl").read_bytes().startswith(before)
    places = [(record["mask"], record["face"]) for record in records]
    assert sorted(places) == sorted((mask, face) for mask in ASKED.masks for face in range(5))
    assert header == uninterrupted[1][0]
    # face 3 came with face 2, as it would have from the start
    by_place = {(record["mask"], record["face"]): record for record in uninterrupted[1][1:]}
    assert [by_place[mask, 3] for mask in ASKED.masks] == [record for record in records if record["face"] == 3]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"asked": dataclasses.replace(ASKED, seed=6)}, "expected results with seed 6, got 5; choose another --out"),
        ({"asked": dataclasses.replace(ASKED, batch=3)}, "expected results with batch 3, got 2"),
        ({"model": "abc"}, "expected results with model abc, got None"),
        ({"config": {"step": 0.5, "k": 7}}, "expected results with step 0.5, got 0.25; choose another --out"),
        ({"config": CONFIG | {"z_max": 1}}, "expected results with z_max 1, got None; choose another --out"),
        ({"config": {"step": 0.5}}, "expected results with step 0.5, got 0.25, k None, got 7; choose another --out"),
    ],
    ids=lambda value: "".join(value) if isinstance(value, dict) else "",
)
def test_results_of_another_evaluation_are_not_mixed(faces, tmp_path, uninterrupted, change, message):
    """Nothing is restored, neither by the method that comes before the one whose file is another's."""
    shutil.copytree(uninterrupted[0], tmp_path, dirs_exist_ok=True)
    before = (tmp_path / "heads" / "noise.jsonl").read_bytes()
    unused = Recorder()
    options = {"asked": ASKED, "config": CONFIG} | change
    asked = options.pop("asked")
    both = {"earlier": Method(restore=unused), "noise": Method(restore=unused, **options)}
    with pytest.raises(InputError, match=message):
        evaluate(asked, both, {"heads": faces}, tmp_path, machine=MACHINE)
    assert unused.calls == []
    assert (tmp_path / "heads" / "noise.jsonl").read_bytes() == before


def test_other_faces_of_the_same_name_are_noticed_and_another_machine_is_not(faces, tmp_path, uninterrupted):
    shutil.copytree(uninterrupted[0], tmp_path, dirs_exist_ok=True)
    with pytest.raises(InputError, match="expected results with first_face "):
        evaluated(faces[1:6], tmp_path)
    method = {"noise": Method(restore=noise, config=CONFIG)}
    evaluate(ASKED, method, {"heads": faces[:6]}, tmp_path, machine={"python": "4"})
    assert len(lines(tmp_path / "heads" / "noise.jsonl")) == 1 + 2 * 6


def test_other_faces_that_begin_with_the_same_one_are_noticed(faces, tmp_path, uninterrupted):
    shutil.copytree(uninterrupted[0], tmp_path, dirs_exist_ok=True)
    path = tmp_path / "heads" / "noise.jsonl"
    before = path.read_bytes()
    unused = Recorder()
    with pytest.raises(
        InputError, match=r"expected results of face 3 with pixels \w{8}, got \w{8}; choose another --out"
    ):
        evaluated(faces[[0, 1, 2, 4, 3, 5]], tmp_path, unused)
    assert unused.calls == []
    assert path.read_bytes() == before
    # what an older version wrote says so of the first face alone
    whole = before.decode().splitlines()
    path.write_text("".join(f"{re.sub(r'.pixels.:[^,]*,', '', line)}\n" for line in whole))
    evaluated(faces[:5], tmp_path, unused)
    assert unused.calls == []


def test_one_process_at_a_time_writes_a_file_of_results(faces, tmp_path, uninterrupted):
    """Two that fill one folder with different methods do not meet."""
    refused = []

    def intruded(images, holes, seeds):
        held = rf"noise\.jsonl: expected a place that nobody is writing to, got one held by process {os.getpid()} on "
        with pytest.raises(InputError, match=held):
            evaluated(faces[:5], tmp_path)
        with pytest.raises(InputError, match=held):
            protocol.check(["noise"], [tmp_path / "heads"], tmp_path)
        other = {"other": Method(restore=noise, config=CONFIG)}
        evaluate(ASKED, other, {"heads": faces[:1]}, tmp_path, machine=MACHINE)
        refused.append(images)
        return noise(images, holes, seeds)

    (tmp_path / "heads").mkdir()
    assert evaluated(faces[:5], tmp_path, intruded) == uninterrupted[1]
    assert len(refused) == 6
    assert sorted(path.name for path in (tmp_path / "heads").iterdir()) == ["noise.jsonl", "other.jsonl"]


def test_a_config_is_compared_as_it_was_written(faces, tmp_path):
    """A tuple comes back from JSON as a list."""
    config = {"sides": (1, 2), "step": np.sqrt(2) / 3}
    evaluated(faces[:2], tmp_path, config=config)
    unused = Recorder()
    evaluated(faces[:2], tmp_path, unused, config=config)
    assert unused.calls == []
