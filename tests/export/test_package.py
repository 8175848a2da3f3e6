"""The search as a package: what runs it without Python restores what `Inpainter` restores."""

from __future__ import annotations

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import cmake
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from torch._inductor import exc

from faceinpaint_fast import InpaintConfig, Inpainter, InputError, masks
from faceinpaint_fast.cli.main import main
from faceinpaint_fast.export.package import ExportedSearch, export
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import load_model, save_encoder, save_model
from faceinpaint_fast.search.optimisers import ATTEMPTS
from faceinpaint_fast.search.starts import codes

EXAMPLE = Path(__file__).parents[2] / "examples" / "cpp"
CPU = torch.device("cpu")
ITERATIONS = 6
SEEDS = [3, 4]
HOLES = np.stack([masks.draw(name, (64, 64)) for name in ("centre", "drop-80")])
# small steps: docs/architecture.md says how rounding grows
ADAM = InpaintConfig(
    iterations=ITERATIONS,
    stages=(),
    optimiser="adam",
    schedule="cosine",
    start="random",
    k=3,
    alpha=5.0,
    z_max=0.8,
    learning_rate=0.1,
)
PAPER = dataclasses.replace(InpaintConfig.paper(), iterations=ITERATIONS)


@pytest.fixture
def folder(tmp_path, generator, discriminator, encoder):
    """A model folder with the tests' small networks."""
    folder = tmp_path / "model"
    save_model(folder, generator, discriminator, framing=CELEBA_108, training={})
    save_encoder(folder, load_model(folder), encoder, training={"width": 4})
    return folder


@pytest.fixture
def model(folder):
    return load_model(folder)


@pytest.fixture
def faces():
    """Two of them, (2, 3, 64, 64) in [0, 1]."""
    face = torch.from_numpy(astronaut(CELEBA_108, 64)).permute(2, 0, 1) / 255
    return torch.stack([face, face.flip(-1)])


def tensors(faces, seeds=SEEDS):
    """What a package takes."""
    return faces, torch.from_numpy(HOLES).float(), codes(seeds, 1, 100, ATTEMPTS)


def restored(model, config, faces):
    inpainter = Inpainter(model.generator, model.discriminator, encoder=model.encoder, config=config, device=CPU)
    return inpainter(faces, HOLES, seed=SEEDS)


def agree(found, expected):
    z, generated, losses = found
    # the contract's 1e-4 after few iterations; what is drawn from z varies about as much
    assert_allclose(z, expected.z, atol=1e-4)
    assert_allclose(generated, expected.generated, atol=1e-3)
    assert_allclose(losses, expected.losses["total"], rtol=1e-3)


@pytest.fixture
def program(tmp_path):
    """examples/cpp, built as its README says."""
    run = [Path(cmake.CMAKE_BIN_DIR) / "cmake"]
    torch_s = f"-DCMAKE_PREFIX_PATH={torch.utils.cmake_prefix_path}"
    for step in (["-S", EXAMPLE, "-B", tmp_path / "build", torch_s], ["--build", tmp_path / "build"]):
        subprocess.run(run + step, check=True, capture_output=True)
    return tmp_path / "build" / "inpaint"


def test_a_program_without_python_restores_what_python_restores(folder, program, tmp_path, monkeypatch, capsys):
    package = tmp_path / "out" / "inpaint.pt2"
    monkeypatch.setattr(
        sys, "argv", ["faceinpaint", "export", str(folder), "-o", str(package), "--set", "stages=1:6:0.1"]
    )
    with pytest.raises(SystemExit) as exit_:
        main()
    assert not exit_.value.code
    assert capsys.readouterr().out == f"{package}: 6 steps for 1 image a call; next: examples/cpp\n"
    assert [path.name for path in package.parent.iterdir()] == ["inpaint.pt2"]
    assert "python" not in subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout.replace(
        str(Path(torch.__file__).parent), ""
    )

    face = astronaut(CELEBA_108, 64)
    Image.fromarray(face).save(tmp_path / "face.ppm")
    inpainter = Inpainter.from_pretrained(folder, config=InpaintConfig(stages=[(1, 6, 0.1)]), device="cpu")

    def restore(hole, *seed):
        Image.fromarray(np.uint8(255 * hole)).save(tmp_path / "hole.pgm")
        line = [program, package, *(tmp_path / name for name in ("face.ppm", "hole.pgm", "restored.ppm")), *seed]
        return subprocess.run(line, capture_output=True, text=True, env={"OMP_NUM_THREADS": "1"})

    for hole, seed in [*zip(HOLES, SEEDS, strict=True), (HOLES[0], 0)]:
        # 0 where none is named
        run = restore(hole, *[str(seed)] * (seed > 0))
        assert run.returncode == 0, run.stderr
        expected = inpainter(face, hole, seed=seed)
        found = np.asarray(Image.open(tmp_path / "restored.ppm"))
        assert_array_equal(found[~hole], face[~hole])
        # one of 255 levels
        assert_allclose(found.astype(int), expected.image.astype(int), atol=1)
        assert float(run.stdout.split()[-1]) == pytest.approx(float(expected.losses["total"]), rel=1e-3)

    for run, told in (
        (restore(np.zeros((64, 64))), "hole.pgm: expected black and white"),
        (restore(HOLES[0, :32]), "hole.pgm: expected P5 of 64x64 pixels with 256 levels"),
        (restore(HOLES[0], "7th"), "SEED: expected a whole number of up to 19 digits, got 7th"),
        (refused(program), "usage: .*inpaint MODEL.pt2 FACE.ppm HOLE.pgm OUT.ppm \\[SEED\\]"),
        (
            refused(program, "nowhere.pt2", "a", "b", "c"),
            "nowhere.pt2: expected what faceinpaint export wrote, got: .*",
        ),
        (refused(program, package, "nowhere.ppm", "b", "c"), "nowhere.ppm: expected P6 of .*"),
    ):
        assert (run.returncode, run.stdout) == (2, "")
        # no stack trace below it
        assert re.fullmatch(f"(.*/)?{told}\n", run.stderr)


def refused(*line):
    return subprocess.run(line, capture_output=True, text=True, env={"OMP_NUM_THREADS": "1"})


def test_a_package_for_two_images(model, faces, tmp_path):
    export(model, tmp_path / "two.pt2", config=ADAM, batch=2, device="cpu")
    package = torch._inductor.aoti_load_package(str(tmp_path / "two.pt2"))
    assert package.get_metadata()["latent_size"] == "100"
    agree(package(*tensors(faces)), restored(model, ADAM, faces))


@pytest.mark.parametrize(
    "config",
    [
        InpaintConfig(stages=[(1, 3, 0.1), (3, 2, 0.1)], lambda_d=0.01),
        InpaintConfig.over_z(iterations=2, flips=True),
        InpaintConfig.over_z(iterations=ITERATIONS, lambda_d=0.01),
        PAPER,
    ],
    ids=["beyond z", "flips", "over z", "paper"],
)
def test_what_is_exported_is_the_search(config, model, faces):
    expected = restored(model, config, faces)
    damaged = faces.clone()
    damaged.movedim(1, -1)[torch.from_numpy(HOLES)] = torch.nan
    agree(ExportedSearch(model, config, CPU)(*tensors(damaged)), expected)


def test_without_an_encoder_it_starts_at_random(model, faces):
    alone = dataclasses.replace(model, encoder=None)
    config = InpaintConfig.over_z(iterations=ITERATIONS, learning_rate=0.03)
    found = ExportedSearch(alone, config, CPU)(*tensors(faces))
    agree(found, restored(alone, dataclasses.replace(config, start="random"), faces))
    assert not np.allclose(found[0], restored(model, config, faces).z, atol=0.1)


def test_half_precision_is_of_the_networks_alone(model, faces):
    config = InpaintConfig.over_z(iterations=1)
    full = ExportedSearch(model, config, CPU)(*tensors(faces))
    half = ExportedSearch(model, dataclasses.replace(config, precision="bf16"), CPU)(*tensors(faces))
    assert all(tensor.dtype == torch.float32 for tensor in half)
    assert not torch.equal(half[1], full[1])
    # bf16 keeps 8 bits: about 0.4 % a layer
    assert_allclose(half[2], full[2], rtol=0.05)


def test_a_start_without_a_finite_gradient_is_none(model, faces, monkeypatch):
    def none(_, z, *__):
        return 0 * z[:, 0], torch.nan * z

    monkeypatch.setattr("faceinpaint_fast.export.package.loss_and_gradient", none)
    for config in (InpaintConfig.over_z(iterations=ITERATIONS), InpaintConfig(stages=[(1, 2, 0.1)])):
        _, _, losses = ExportedSearch(model, config, CPU)(*tensors(faces))
        assert losses.isnan().all()


def test_a_start_without_a_finite_loss_gives_way_to_the_next(model, faces):
    config = InpaintConfig.over_z(iterations=ITERATIONS, start="random")
    search = ExportedSearch(model, config, CPU)
    faces, holes, drawn = tensors(faces)
    drawn[0, 1] = torch.inf
    z, _, losses = search(faces, holes, drawn)
    # an iteration was lost
    later = ExportedSearch(model, dataclasses.replace(config, iterations=ITERATIONS - 1), CPU)
    expected = later(faces, holes, drawn[[1, 1, 2, 3]])
    assert_allclose(z[1], expected[0][1], atol=1e-5)
    assert losses.isfinite().all()

    drawn[:, 1] = torch.inf
    _, _, losses = search(faces, holes, drawn)
    assert losses.isfinite().tolist() == [True, False]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("inpaint.zip", {}, r"inpaint\.zip: expected the extension \.pt2 or \.onnx, got '\.zip'"),
        ("model/config.json/inpaint.pt2", {}, "expected a place that can be written to"),
        ("inpaint.pt2", {"batch": 0}, "batch: expected >= 1, got 0"),
        ("inpaint.pt2", {"config": InpaintConfig(restarts=2)}, "restarts: expected 1 in a package, got 2"),
        ("inpaint.pt2", {"config": InpaintConfig(symmetry=True)}, "symmetry: expected False in a package"),
    ],
)
def test_what_cannot_be_exported(name, settings, message, model, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError, match=message):
        export(model, tmp_path / name, **settings)
    assert sorted(tmp_path.rglob("*")) == before


def test_without_a_compiler_it_says_which_one_it_looked_for(model, tmp_path):
    none = torch._inductor.config.patch({"cpp.cxx": (None, "no-such-g++")})
    with none, pytest.raises(InputError, match=r"export: expected a C\+\+ compiler, no-such-g\+\+ or .*, got none"):
        export(model, tmp_path / "inpaint.pt2")


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_compiler_that_does_not_compile_is_quoted(model, tmp_path, monkeypatch, wrapped):
    def fail(*_, **__):
        error = exc.CppCompileError(["g++", "x.cpp"], "x.cpp: fatal error\ncannot execute cc1plus\n")
        raise exc.InductorError(error, None) if wrapped else error

    monkeypatch.setattr("faceinpaint_fast.export.package.traced", lambda *_: None)
    monkeypatch.setattr("torch._inductor.aoti_compile_and_package", fail)
    with pytest.raises(
        InputError, match=r"export: expected a C\+\+ compiler, .* that compiles, .*\n.* execute cc1plus$"
    ):
        export(model, tmp_path / "inpaint.pt2")
