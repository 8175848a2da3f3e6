"""The search as an ONNX file: run by onnxruntime it restores what `Inpainter` restores."""

from __future__ import annotations

import dataclasses
import json
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

from faceinpaint_fast import InpaintConfig, Inpainter, InputError, ModelError, __version__, masks, tension_blend
from faceinpaint_fast.cli.main import main
from faceinpaint_fast.export import onnx_file
from faceinpaint_fast.export.graph import OPSET, graph_of
from faceinpaint_fast.export.pieces import Pieces
from faceinpaint_fast.models import load_model, read_config

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


@pytest.fixture(scope="module")
def file(exported):
    return onnx.load(exported[0])


@pytest.fixture(scope="module")
def session(file):
    return onnx_file.session(file)


@pytest.fixture(scope="module")
def blending(exported, small_model):
    """A file of that search that blends as well."""
    model, config = load_model(small_model), dataclasses.replace(exported[1], stages=[(3, 2, 0.1)])
    return onnx_file.described(graph_of(Pieces(model, config), config.tension), model, config)


def inpainter(small_model, config):
    return Inpainter.of(load_model(small_model), config=config, device="cpu")


@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_images(count, session, exported, small_model, faces):
    holes = np.stack([masks.draw(name, (64, 64)) for name in ("centre", "drop-80", "left")[:count]])
    expected = inpainter(small_model, exported[1])(faces[:count] / np.float32(255), holes).generated
    images = np.where(holes[..., None], np.nan, faces[:count] / np.float32(255))
    (found,) = onnx_file.run(session, np.moveaxis(images, -1, 1).astype(np.float32), holes)
    # the contract's 1e-4 of activations after few steps, and what G makes of it
    assert_allclose(np.moveaxis(found, 1, -1), expected, atol=1e-3)


def test_a_hole_is_white(session, faces):
    images = np.moveaxis(faces[:1] / np.float32(255), -1, 1)
    hole = masks.draw("centre", (64, 64))
    sharp = session.run(None, {"images": images, "holes": hole[None, None].astype(np.float32)})[0]
    grey = session.run(None, {"images": images, "holes": np.where(hole, 0.5, 0.499)[None, None].astype(np.float32)})[0]
    assert np.array_equal(sharp, grey)


@pytest.mark.parametrize("name", ["centre", "drop-80"])
def test_a_file_may_blend_too(name, blending, faces):
    session = onnx_file.session(blending)
    hole, images = masks.draw(name, (64, 64), seed=2), faces[:2] / np.float32(255)
    damaged = np.moveaxis(np.where(hole[..., None], np.nan, images), -1, 1).astype(np.float32)
    generated, restored = (np.moveaxis(each, 1, -1) for each in onnx_file.run(session, damaged, np.stack([hole] * 2)))
    assert np.array_equal(restored[:, ~hole], images[:, ~hole])
    expected = tension_blend(images, generated, hole, tension=InpaintConfig().tension).clip(0, 1)
    assert_allclose(restored, expected, atol=2e-4)
    assert np.abs(generated - restored)[:, hole].max() > 0.1


def test_a_blend_that_is_off_is_not_written(blending, small_model, exported, tmp_path, monkeypatch):
    config = dataclasses.replace(exported[1], stages=[(3, 2, 0.1)])
    monkeypatch.setattr(onnx_file, "graph_of", lambda *_: blending.graph)
    onnx_file.export(load_model(small_model), tmp_path / "right.onnx", config=config, blend=True)
    other = dataclasses.replace(config, tension=0.2)
    with pytest.raises(
        ModelError, match=r"wrong\.onnx: not written: expected F within 0.001 of tension_blend's, got 0\."
    ):
        onnx_file.export(load_model(small_model), tmp_path / "wrong.onnx", config=other, blend=True)
    assert [each.name for each in tmp_path.iterdir()] == ["right.onnx"]


def test_a_file_blends_under_tension_alone(small_model, tmp_path):
    config = InpaintConfig(blend="poisson")
    with pytest.raises(InputError, match=r"blend: expected tension, to be in an \.onnx file, got poisson"):
        onnx_file.export(load_model(small_model), tmp_path / "x.onnx", config=config, blend=True)


def test_it_says_what_it_is(file, exported, small_model):
    told = {each.key: each.value for each in file.metadata_props}
    model = read_config(small_model)
    assert (told["size"], told["channels"], float(told["tension"])) == ("64", "3", InpaintConfig().tension)
    assert json.loads(told["framing"])["name"] == model.framing.name
    assert json.loads(told["sha256"]) == model.sha256
    search = json.loads(told["search"])
    assert search == json.loads(json.dumps(exported[1].settings()))
    # neither a licence nor data are known of this one
    assert "licence" not in told
    assert [(each.domain, each.version) for each in file.opset_import] == [("", OPSET)]
    assert (file.producer_name, file.producer_version) == ("faceinpaint_fast", __version__)


def test_the_licence_of_a_model_goes_with_it(file, small_model):
    model = load_model(small_model)
    licensed = dataclasses.replace(model.config, licence="for research", size=64)
    told = onnx_file.described(file.graph, dataclasses.replace(model, config=licensed), InpaintConfig())
    assert {each.key: each.value for each in told.metadata_props}["licence"] == "for research"


def test_the_command_writes_it(small_model, exported, tmp_path, monkeypatch, capsys):
    # exported already
    monkeypatch.setattr("faceinpaint_fast.export.onnx_file.graph_of", lambda *_: onnx.load(exported[0]).graph)
    out = tmp_path / "new" / "inpaint.onnx"
    given = ["--set", "stages=1:3:0.1,3:2:0.1", "--set", "lambda_u=1"]
    monkeypatch.setattr(sys, "argv", ["faceinpaint", "export", str(small_model), "-o", str(out), *given])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert not exit_.value.code
    assert capsys.readouterr().out == f"{out}: 5 steps for any number of images a call; next: examples/onnx\n"
    assert out.read_bytes() == exported[0].read_bytes()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda found, _: found + 2e-5, "expected T within 1e-05 of Inpainter's on 12.5% of faces .*, got 2e-05 and"),
        (
            lambda found, _: found + np.float32([0, 1])[np.arange(len(found)) % 2, None, None, None],
            "expected .* got .* 0.5",
        ),
        (lambda found, _: found * np.nan, "expected T within 1e-05"),
        (lambda found, holes: np.where(len(holes) == 1, np.nan, found), "expected finite numbers with all known"),
    ],
)
def test_what_does_otherwise_is_not_written(broken, message, small_model, exported, tmp_path, monkeypatch):
    run = onnx_file.run
    monkeypatch.setattr(onnx_file, "graph_of", lambda *_: onnx.load(exported[0]).graph)
    monkeypatch.setattr(onnx_file, "run", lambda runs, images, holes: [broken(run(runs, images, holes)[0], holes)])
    with pytest.raises(ModelError, match=f"inpaint.onnx: not written: {message}"):
        onnx_file.export(load_model(small_model), tmp_path / "inpaint.onnx", config=exported[1])
    assert not [*tmp_path.iterdir()]


def test_a_file_of_another_search_is_not_written(small_model, exported, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "graph_of", lambda *_: onnx.load(exported[0]).graph)
    with pytest.raises(ModelError, match="not written: expected T within"):
        onnx_file.export(load_model(small_model), tmp_path / "inpaint.onnx", config=InpaintConfig(stages=[(1, 3, 0.1)]))


def test_one_known_pixel_is_one():
    counts = {name: int((~hole).sum()) for name, hole in onnx_file.edges((64, 64)).items()}
    assert counts == {"all": 64 * 64, "nothing": 0, "one pixel": 1}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("inpaint.zip", r"inpaint\.zip: expected the extension \.onnx"),
        ("model/config.json/inpaint.onnx", "expected a place that can be written to"),
    ],
)
def test_where_it_cannot_be_written(name, message, small_model):
    with pytest.raises(InputError, match=message):
        onnx_file.export(load_model(small_model), small_model.parent / name)


@pytest.mark.parametrize("switch", [[], ["--blend"]])
def test_the_command_blends_if_asked_to(switch, small_model, tmp_path, monkeypatch):
    given = {}
    monkeypatch.setattr(onnx_file, "export", lambda *_, **options: given.update(options))
    line = ["faceinpaint", "export", str(small_model), "-o", str(tmp_path / "x.onnx"), *switch]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as exit_:
        main()
    assert not exit_.value.code
    assert given["blend"] is bool(switch)


def test_a_package_does_not_blend(small_model, tmp_path, monkeypatch, capsys):
    line = ["faceinpaint", "export", str(small_model), "-o", str(tmp_path / "x.pt2"), "--blend"]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert "blend: expected none for a package" in " ".join(capsys.readouterr().err.split())


def test_any_number_of_images_is_no_batch(small_model, tmp_path, monkeypatch, capsys):
    line = ["faceinpaint", "export", str(small_model), "-o", str(tmp_path / "x.onnx"), "--batch", "2"]
    monkeypatch.setattr(sys, "argv", line)
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 2
    assert "batch: expected none for an .onnx file" in capsys.readouterr().err
