"""The search as a C library, shared, static and as wasm, beside `Inpainter`."""

from __future__ import annotations

import ctypes
import dataclasses
import json
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import InpaintConfig, Inpainter, masks
from faceinpaint_fast.config import PRESETS
from faceinpaint_fast.export import onnx_file, search_file
from faceinpaint_fast.export.facts import facts_of
from faceinpaint_fast.framing import CELEBA_148
from faceinpaint_fast.models import Model, ModelConfig, load_model
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANEncoder, DCGANGenerator

ROOT = Path(__file__).resolve().parents[2]
FOUND, NOT_A_NUMBER, LOST = range(3)
# some steps behind a first and a later layer
CONFIG = InpaintConfig(stages=[(1, 3, 0.1), (3, 2, 0.1)], lambda_u=1.0, blend="none")
# the contract's 1e-4 of activations after few steps, and what G makes of it: as of an ONNX file
CLOSE = 1e-3
HOLES = ("centre", "drop-80", "left")


@pytest.fixture(scope="module")
def file(small_model):
    return search_file.searched(load_model(small_model), CONFIG)


@pytest.fixture(scope="module")
def question(faces):
    """Images (3, 3, 64, 64) that are NaN where they are missing, and holes."""
    holes = np.stack([masks.draw(name, (64, 64), seed=1) for name in HOLES])
    images = np.where(holes[..., None], np.nan, faces[:3] / np.float32(255))
    return np.ascontiguousarray(np.moveaxis(images, -1, 1), dtype=np.float32), holes


def expected(model, config, images, holes):
    inpainter = Inpainter.of(model, config=config, device="cpu")
    return np.moveaxis(inpainter(np.moveaxis(images, 1, -1), holes).generated, -1, 1)


class Library:
    """The shared object's functions."""

    def __init__(self, path):
        library = ctypes.CDLL(str(path))
        self.open, self.close = library.faceinpaint_search_open, library.faceinpaint_search_close
        self.size, self.channels = library.faceinpaint_search_size, library.faceinpaint_search_channels
        self.tension, self.facts = library.faceinpaint_search_tension, library.faceinpaint_search_facts
        self._run = library.faceinpaint_search_run
        self.open.restype, self.open.argtypes = ctypes.c_void_p, [ctypes.c_char_p, ctypes.c_size_t]
        self.tension.restype, self.facts.restype = ctypes.c_double, ctypes.c_char_p
        for each in (self.close, self.size, self.channels, self.tension, self.facts):
            each.argtypes = [ctypes.c_void_p]
        floats, bytes_ = (np.ctypeslib.ndpointer(each, flags="C") for each in (np.float32, np.uint8))
        self._run.argtypes = [ctypes.c_void_p, floats, bytes_, ctypes.c_int, floats]

    def run(self, file, images, holes, out=None):
        """Returns what a call comes to, and what was found; in the place of `out`, if that is given."""
        search = self.open(file, len(file))
        assert search
        out = np.full_like(images, 7) if out is None else out
        outcome = self._run(search, images, np.uint8(holes), len(images), out)
        self.close(search)
        return outcome, out


@pytest.fixture(scope="module")
def library(search_library):
    return Library(search_library / "libfaceinpaint_search.so")


def test_it_finds_what_inpainter_finds(library, file, question, small_model):
    outcome, found = library.run(file, *question)
    assert outcome == FOUND
    told = expected(load_model(small_model), CONFIG, *question)
    assert_allclose(found, told, atol=CLOSE)
    # a search, not a guess
    guess = expected(load_model(small_model), dataclasses.replace(CONFIG, stages=[(1, 1, 1e-9)]), *question)
    assert np.abs(guess - told).max() > 50 * CLOSE


@pytest.mark.parametrize("name", ["fast", "default"])
def test_a_model_that_comes_along_drifts_no_further_than_the_engine_from_itself(name, library):
    """As faceinpaint export judges an ONNX file: docs/decisions/0024."""
    model, config = load_model("faces64"), dataclasses.replace(PRESETS[name], blend="none")
    runs = type("", (), {"run": lambda _, __, given: [run(given["images"], given["holes"])]})()

    def run(images, holes):
        outcome, found = library.run(search_file.searched(model, config), images.copy(), holes[:, 0] >= 0.5)
        assert outcome == FOUND
        return found

    onnx_file.check(runs, model, config, None)


@pytest.mark.parametrize(("size", "width"), [(32, 4), (128, 4), (64, 16)])
def test_models_of_other_sizes_whose_weights_are_no_halves(size, width, library, draw_face, lively):
    kinds = (DCGANGenerator, DCGANDiscriminator, DCGANEncoder)
    networks = [lively(kind(size=size, width=width)) for kind in kinds]
    told = {"size": size, "channels": 3, "framing": CELEBA_148, "latent_size": 100, "width": width}
    model = Model(*networks, ModelConfig(**told, encoder_width=width, sha256={}))
    config = dataclasses.replace(CONFIG, stages=[(1, 2, 0.1), (2, 2, 0.1)])
    images = np.moveaxis(np.stack([draw_face(3, size)]) / np.float32(255), -1, 1).astype(np.float32).copy()
    holes = masks.draw("free-form", (size, size), seed=2)[None]
    outcome, found = library.run(search_file.searched(model, config), images, holes)
    assert outcome == FOUND
    assert_allclose(found, expected(model, config, images, holes), atol=CLOSE)


def test_an_image_is_the_same_whoever_its_neighbours_are_and_may_stand_where_it_goes(library, file, question):
    images, holes = question
    _, together = library.run(file, images, holes)
    outcome, alone = library.run(file, images[1:2].copy(), holes[1:2])
    assert outcome == FOUND
    assert_array_equal(alone, together[1:2])
    given = images.copy()
    _, found = library.run(file, given, holes, out=given)
    assert_array_equal(found, together)


def test_with_all_none_or_one_pixel_known_it_finds_finite_numbers(library, file, question, small_model):
    images = np.nan_to_num(question[0][:1], nan=0.5)
    holes = onnx_file.edges((64, 64))
    for name, hole in holes.items():
        assert library.run(file, images, hole[None])[0] == FOUND, name
    # of no pixel known, and of no hole, Inpainter makes nothing
    hole = holes["one pixel"][None]
    told = expected(load_model(small_model), CONFIG, images, hole)
    assert_allclose(library.run(file, images, hole)[1], told, atol=CLOSE)


def test_what_cannot_be_searched_is_told_and_nothing_is_written(library, file, question, small_model):
    images, holes = question
    seen = np.nan_to_num(images, nan=0.5)
    seen[2, 1, 0, 63] = np.inf
    assert not holes[2, 0, 63]
    outcome, out = library.run(file, seen, holes)
    assert outcome == NOT_A_NUMBER
    assert (out == 7).all()
    # steps of such a size lead nowhere
    far = search_file.searched(load_model(small_model), dataclasses.replace(CONFIG, stages=[(1, 3, 1e38)]))
    outcome, out = library.run(far, *question)
    assert outcome == LOST
    assert (out == 7).all()


def test_it_says_what_it_draws_and_what_of(library, file, small_model):
    search = library.open(file, len(file))
    assert (library.size(search), library.channels(search)) == (64, 3)
    assert library.tension(search) == CONFIG.at_size(64).tension
    assert json.loads(library.facts(search)) == json.loads(json.dumps(facts_of(load_model(small_model), CONFIG)))
    library.close(search)


@pytest.mark.parametrize(
    ("place", "value"),
    # name, format, size, channels, taps, stages, a stage's layer, its steps, the next's layer, layers, a layer's depth
    [
        (0, 0),
        (8, 2),
        (12, 32),
        (16, 4),
        (48, 10),
        (112, 0),
        (116, 0),
        (116, 5),
        (120, 2),
        (120, -1),
        (120, 2**30),
        (172, 1),
        (212, 4),
        (216, 7),
    ],
)
def test_what_is_no_search_is_not_opened(place, value, library, file):
    broken = bytearray(file)
    struct.pack_into("<i", broken, place, value)
    assert library.open(bytes(broken), len(broken)) is None


def test_what_is_cut_short_or_goes_on_is_not_opened(library, file):
    assert library.open(file + b"\0", len(file) + 1) is None
    for length in (0, 7, 8, 100, 130, len(file) // 2, len(file) - 1):
        assert library.open(file[:length], length) is None


def test_whatever_its_first_bytes_are_a_file_is_opened_or_not(library, file):
    """What counts is that nothing is read beyond its end: `make sanitize` looks."""
    rng = np.random.default_rng(5)
    opened = 0
    for _ in range(500):
        broken = bytearray(file)
        for place in rng.integers(8, 400, rng.integers(1, 4)):
            broken[place] = rng.integers(256)
        search = library.open(bytes(broken), len(broken))
        opened += search is not None
        if search:
            library.close(search)
    assert 0 < opened < 500


PROGRAM = """
#include <stdio.h>
#include "faceinpaint_blend.h"
#include "faceinpaint_search.h"
int main(void) {
    const unsigned char nothing[1] = {0};
    printf("%d %d\\n", faceinpaint_search_open(nothing, 0) == 0, (int)FACEINPAINT_FOUND == (int)FACEINPAINT_BLENDED);
    return 0;
}
"""


def test_a_program_in_c_is_linked_to_the_static_library(search_library, tmp_path):
    (tmp_path / "main.c").write_text(PROGRAM)
    library = search_library / "libfaceinpaint_search.a"
    line = ["gcc", "-std=c99", "-Wall", "-Werror", "-I", "csrc/c", tmp_path / "main.c", library]
    subprocess.run([*line, "-lstdc++", "-lm", "-pthread", "-o", tmp_path / "main"], check=True, cwd=ROOT)
    assert subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True).stdout == "1 1\n"


IN_NODE = """
import { readFileSync } from 'node:fs';
import { searchOf } from './search.js';
const [wasm, file, images, holes, size] = process.argv.slice(2);
const search = searchOf(new WebAssembly.Module(readFileSync(wasm)), readFileSync(file));
const bytes = readFileSync(images), missing = new Uint8Array(readFileSync(holes));
const floats = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const [area, found] = [size * size, []];
for (let i = 0; i * area < missing.length; i++) {
  found.push(...search(floats.slice(i * 3 * area, (i + 1) * 3 * area), missing.slice(i * area, (i + 1) * area)));
}
process.stdout.write(Buffer.from(Float32Array.from(found).buffer));
"""


@pytest.fixture
def in_node(search_wasm, tmp_path):
    """Searches by the wasm, through the page's own door."""
    if not shutil.which("node"):
        pytest.skip("no node, which runs wasm")

    def in_node(file, images, holes):
        script = tmp_path / "script.mjs"
        script.write_text(IN_NODE)
        for name in ("search.js", "library.js"):
            shutil.copy(ROOT / "faceinpaint_fast/export/page" / name, tmp_path)
        (tmp_path / "package.json").write_text('{"type": "module"}')
        given = [tmp_path / name for name in ("file", "images", "holes")]
        for path, content in zip(given, (file, images.tobytes(), np.uint8(holes).tobytes()), strict=True):
            path.write_bytes(content)
        line = ["node", script, search_wasm, *given, str(images.shape[-1])]
        done = subprocess.run(line, capture_output=True, check=False)
        assert not done.returncode, done.stderr.decode()
        return np.frombuffer(done.stdout, np.float32).reshape(images.shape)

    return in_node


def test_as_wasm_it_finds_the_same(in_node, file, question, small_model):
    assert_allclose(in_node(file, *question), expected(load_model(small_model), CONFIG, *question), atol=CLOSE)


def test_the_wasm_is_small(search_wasm):
    # 160 kB, where a runtime has 14 MB
    assert search_wasm.stat().st_size < 250_000
