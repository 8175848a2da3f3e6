"""The blend as a C library, shared, static and as wasm, beside the package's own door."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from faceinpaint_fast import masks, tension_blend

ROOT = Path(__file__).resolve().parents[2]
BLENDED, NO_IMAGE, NOTHING_KNOWN, NOT_FINITE = range(4)
# two solutions, each within a residual of 1e-5: what is left of images in [0, 1]
CLOSE = 2e-5


def asked(height, width, name="free-form", seed=0):
    """Planar image and content, (3, H, W) float32, and a hole."""
    rng = np.random.default_rng(seed)
    image, content = (rng.random((3, height, width), np.float32) for _ in range(2))
    return image, content, masks.draw(name, (height, width), seed)


def expected(image, content, hole, tension):
    blended = tension_blend(image.transpose(1, 2, 0), content.transpose(1, 2, 0), hole, tension=tension)
    return blended.transpose(2, 0, 1)


@pytest.fixture(scope="module")
def blend(blend_library):
    """Calls the shared object: what it comes to, and its result."""
    function = ctypes.CDLL(str(blend_library / "libfaceinpaint_blend.so")).faceinpaint_blend
    arrays = [np.ctypeslib.ndpointer(np.float32, flags="C")] * 2 + [np.ctypeslib.ndpointer(np.uint8, flags="C")]
    out = np.ctypeslib.ndpointer(np.float32, flags="C")
    function.argtypes = [*arrays, *[ctypes.c_int] * 3, ctypes.c_double, out]

    def blend(image, content, hole, tension=2.0, out=None):
        out = np.full_like(image, 7) if out is None else out
        return function(image, content, np.uint8(hole), *image.shape, tension, out), out

    return blend


@pytest.mark.parametrize(
    ("height", "width", "name"), [(64, 64, "centre"), (64, 64, "drop-80"), (37, 90, "left"), (128, 128, "free-form")]
)
@pytest.mark.parametrize("tension", [0.5, 2.0])
def test_it_is_the_package_s(height, width, name, tension, blend):
    image, content, hole = asked(height, width, name)
    outcome, found = blend(image, content, hole, tension)
    assert outcome == BLENDED
    assert_allclose(found, expected(image, content, hole, tension), atol=CLOSE)
    assert_array_equal(found[:, ~hole], image[:, ~hole])
    # blended, not pasted
    assert np.abs(found - content)[:, hole].max() > 0.1


def test_what_the_hole_holds_does_not_matter_and_any_byte_but_0_is_missing(blend):
    image, content, hole = asked(64, 64)
    _, once = blend(image, content, hole)
    image[:, hole] = np.nan
    outcome, again = blend(image, content, np.where(hole, 255, 0))
    assert outcome == BLENDED
    assert_array_equal(again, once)


def test_the_result_may_take_the_image_s_place(blend):
    image, content, hole = asked(64, 64)
    _, apart = blend(image, content, hole)
    outcome, within = blend(image, content, hole, out=image)
    assert outcome == BLENDED
    assert_array_equal(within, apart)


def test_without_a_hole_it_is_the_image(blend):
    image, content, hole = asked(9, 7)
    outcome, found = blend(image, content, hole & ~hole)
    assert outcome == BLENDED
    assert_array_equal(found, image)


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (lambda image, content, hole: (image[:, :0], content[:, :0], hole[:0], 2.0), NO_IMAGE),
        (lambda image, content, hole: (image, content, hole, 0.0), NO_IMAGE),
        (lambda image, content, hole: (image, content, hole, np.nan), NO_IMAGE),
        (lambda image, content, hole: (image, content, hole, np.inf), NO_IMAGE),
        (lambda image, content, hole: (image, content, hole | ~hole, 2.0), NOTHING_KNOWN),
        (lambda image, content, hole: (image, np.where(hole, np.nan, content), hole, 2.0), NOT_FINITE),
        (lambda image, content, hole: (np.full_like(image, np.inf), content, hole, 2.0), NOT_FINITE),
    ],
)
def test_what_cannot_be_blended_is_told_and_nothing_is_written(change, outcome, blend):
    told, out = blend(*change(*asked(16, 16)))
    assert told == outcome
    assert (out == 7).all()


PROGRAM = """
#include <stdio.h>
#include "faceinpaint_blend.h"
int main(void) {
    float image[9] = {0, 0, 0, 0, 9, 1, 1, 1, 1}, out[9];
    const unsigned char missing[9] = {0, 0, 0, 0, 1, 0, 0, 0, 0};
    const int outcome = faceinpaint_blend(image, image, missing, 1, 3, 3, 1e-9, out);
    printf("%d %d %.4f\\n", outcome, faceinpaint_blend(image, image, missing, 0, 3, 3, 2, out), out[4]);
    return 0;
}
"""


def test_a_program_in_c_is_linked_to_the_static_library(blend_library, tmp_path):
    (tmp_path / "main.c").write_text(PROGRAM)
    library = blend_library / "libfaceinpaint_blend.a"
    line = ["gcc", "-std=c99", "-Wall", "-Werror", "-I", "csrc/c", tmp_path / "main.c", library, "-lstdc++", "-lm"]
    subprocess.run([*line, "-o", tmp_path / "main"], check=True, cwd=ROOT)
    done = subprocess.run([tmp_path / "main"], check=True, capture_output=True, text=True)
    image = np.array([[0, 0, 0], [0, 9, 1], [1, 1, 1]], np.float32)
    centre = tension_blend(image[..., None], image[..., None], image == 9, tension=1e-9)[1, 1, 0]
    assert done.stdout.split()[:2] == [str(BLENDED), str(NO_IMAGE)]
    assert float(done.stdout.split()[2]) == pytest.approx(centre, abs=1e-3)


IN_NODE = """
const fs = require('fs');
const { height, width, tension, image, content, hole } = JSON.parse(fs.readFileSync(0, 'utf8'));
const none = { env: { emscripten_notify_memory_growth() {} }, wasi_snapshot_preview1: { proc_exit() {} } };
const { exports: wasm } = new WebAssembly.Instance(new WebAssembly.Module(fs.readFileSync(process.argv[1])), none);
wasm._initialize();
const [of_image, of_content, out] = [0, 0, 0].map(() => wasm.malloc(4 * image.length));
const missing = wasm.malloc(hole.length);
new Float32Array(wasm.memory.buffer, of_image, image.length).set(image);
new Float32Array(wasm.memory.buffer, of_content, image.length).set(content);
new Uint8Array(wasm.memory.buffer, missing, hole.length).set(hole);
const outcome = wasm.faceinpaint_blend(of_image, of_content, missing, 3, height, width, tension, out);
const found = [...new Float32Array(wasm.memory.buffer, out, image.length)];
console.log(JSON.stringify({ outcome, found, bytes: wasm.memory.buffer.byteLength }));
"""


def in_node(wasm, image, content, hole, tension):
    arrays = {"image": image, "content": content, "hole": np.uint8(hole)}
    given = {name: each.ravel().tolist() for name, each in arrays.items()}
    given |= dict(zip(("height", "width"), hole.shape, strict=True)) | {"tension": tension}
    line = ["node", "-e", IN_NODE, wasm]
    done = subprocess.run(line, input=json.dumps(given), check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    return told["outcome"], np.array(told["found"], np.float32).reshape(image.shape)


@pytest.mark.skipif(not shutil.which("node"), reason="no node, which runs wasm")
@pytest.mark.parametrize(("size", "name"), [(64, "drop-80"), (128, "centre")])
def test_as_wasm_it_is_the_package_s_too(size, name, blend_wasm):
    image, content, hole = asked(size, size, name)
    outcome, found = in_node(blend_wasm, image, content, hole, 2.0)
    assert outcome == BLENDED
    assert_allclose(found, expected(image, content, hole, 2.0), atol=CLOSE)
    assert_array_equal(found[:, ~hole], image[:, ~hole])


@pytest.mark.skipif(not shutil.which("node"), reason="no node, which runs wasm")
def test_the_wasm_is_small_and_tells_what_cannot_be_blended(blend_wasm):
    image, content, hole = asked(16, 16)
    assert in_node(blend_wasm, image, content, hole | ~hole, 2.0)[0] == NOTHING_KNOWN
    assert in_node(blend_wasm, image[:, :0], content[:, :0], hole[:0], 2.0)[0] == NO_IMAGE
    # 130 kB with the mirror and the allocator
    assert blend_wasm.stat().st_size < 150_000
