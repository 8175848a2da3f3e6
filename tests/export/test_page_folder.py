"""The page without a server, without a browser: its files are whole, and its modules restore as photo/ does."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from skimage import data

from faceinpaint_fast import InpaintConfig, Inpainter
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.export import page_folder
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import load_model
from faceinpaint_fast.photo.frame import Frame
from faceinpaint_fast.photo.mirror import refusal
from faceinpaint_fast.photo.restorer import Restorer

ROOT = Path(__file__).resolve().parents[2]
CONFIG = InpaintConfig.fast()
EYES = np.array([[97.0, 108.0], [141.0, 106.0]])  # of the astronaut's face
# two interpolations, which round differently: a level of 255 in the mean, a few where the picture is steepest
MEAN, MOST = 0.25, 4


@pytest.fixture(scope="module")
def compiled():
    return {f"engine/{name}": b"\0asm" for name in page_folder.MODULES}


@pytest.fixture(scope="module")
def made(small_model, compiled):
    return page_folder.contents(load_model(small_model), CONFIG, compiled)


def imported_by(text):
    return set(re.findall(r'(?:^import |\bfrom )"\./([^"]+)"', text, re.MULTILINE))


def test_a_folder_has_all_that_its_files_name_and_nothing_else(made, tmp_path):
    page_folder.write(tmp_path / "page", made)
    found = {str(each.relative_to(tmp_path / "page")) for each in (tmp_path / "page").rglob("*") if each.is_file()}
    index = (tmp_path / "page" / "index.html").read_text()
    named = {name for name in re.findall(r'(?:href|src)="([^"#]+)"', index) if name not in ("./", "docs")}
    for name in sorted(found):
        if name.endswith(".js"):
            text = (tmp_path / "page" / name).read_text()
            named |= {f"page/{each}" for each in imported_by(text)}
            named |= set(re.findall(r'"((?:engine|page)/[^"]+)"', text))
    assert named | {"index.html", "service_worker.js"} == found
    # the service's engine, which another takes the place of
    assert not {"page/http_engine.js", "page/event_stream.js"} & found
    assert "worker_engine.js" in (tmp_path / "page" / "page" / "engine.js").read_text()


def test_it_keeps_to_a_policy_whoever_serves_it(made, tmp_path):
    page_folder.write(tmp_path, made)
    index = (tmp_path / "index.html").read_text()
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', index)
    rules = dict(each.strip().split(" ", 1) for each in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self'"
    assert rules["script-src"] == "'self' 'wasm-unsafe-eval'"
    assert "unsafe-inline" not in policy
    for path in (Path(page_folder.__file__).parent / "page").iterdir():
        assert not re.search(r"https?://|innerHTML|\beval\(|new Function", path.read_text()), path.name


def test_what_is_kept_without_a_network_is_all_of_it_and_another_copy_is_another_version(made, tmp_path):
    page_folder.write(tmp_path / "one", made)
    page_folder.write(tmp_path / "two", {**made, "engine/inpaint.search": b"another"})
    page_folder.write(tmp_path / "same", made)
    told = {}
    for name in ("one", "two", "same"):
        version, kept = (tmp_path / name / "service_worker.js").read_text().splitlines()[:2]
        told[name] = re.search('"(.*)"', version)[1]
        kept = json.loads(kept.partition(" = ")[2].rstrip(";"))
    files = {str(each.relative_to(tmp_path / "same")) for each in (tmp_path / "same").rglob("*") if each.is_file()}
    assert set(kept) == files - {"service_worker.js"} | {"./"}
    assert told["one"] == told["same"] != told["two"]


def test_one_file_has_all_of_it_modules_behind_what_they_import(made, tmp_path):
    page_folder.write_single(tmp_path / "page.html", made)
    text = (tmp_path / "page.html").read_text()
    packed = dict(re.findall(r'<script type="text/plain" data-name="([^"]+)">([^<]*)</script>', text))
    files = {name: gzip.decompress(base64.b64decode(content)) for name, content in packed.items()}
    assert files["engine/inpaint.search"] == made["engine/inpaint.search"]
    before = set()
    for name, content in files.items():
        if name.endswith(".js"):
            assert {f"page/{each}" for each in imported_by(content.decode())} <= before, name
        before.add(name)
    names = list(files)
    # it tells where the worker is, and what that needs
    assert names.index("page/places.js") > names.index("page/worker.js") > names.index("engine/inpaint.search")
    assert not re.search(r'(?:href|src)="(?!#|\./|docs|data:)', text)
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    for tag in ('script type="module"', "style"):
        inside = re.search(rf"<{tag}>(.*?)</", text, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "connect-src blob:;" in policy


def test_what_is_missing_is_told_by_name(tmp_path):
    for name in page_folder.MODULES:
        with pytest.raises(InputError, match=rf"the search as wasm, got no {name} there: `make wasm` makes it"):
            page_folder.modules(tmp_path)
        (tmp_path / name).write_bytes(name.encode())
    assert page_folder.modules(tmp_path) == {f"engine/{name}": name.encode() for name in page_folder.MODULES}


def test_the_model_tells_what_its_licence_allows():
    shipped = load_model("faces64")
    told = json.loads(page_folder.facts(shipped, CONFIG))
    assert told["licence"] == shipped.config.licence != None  # noqa: E711
    assert told["data"] == shipped.config.data
    assert {"size", "tension", "means", "paste", "mirror"} <= told.keys()


def test_a_place_that_cannot_be_written_to_is_told(tmp_path):
    with pytest.raises(InputError, match="expected a folder"):
        page_folder.check(None, None)
    (tmp_path / "file").touch()
    with pytest.raises(InputError):
        page_folder.check(tmp_path / "file", None)


# The modules, in Node, beside photo/


@pytest.fixture(scope="module")
def page(made, tmp_path_factory):
    if not shutil.which("node"):
        pytest.skip("no node")
    folder = tmp_path_factory.mktemp("page")
    page_folder.write(folder, made)
    return folder / "page"


def in_node(page, script, given, *arguments):
    """Runs a script beside the page's modules: it reads `given`, and prints JSON."""
    path = page / "script.mjs"
    path.write_text(script)
    (page / "given.json").write_text(json.dumps(given))
    line = ["node", path, page / "given.json", *map(str, arguments)]
    done = subprocess.run(line, capture_output=True, text=True, cwd=page)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


FRAME = """
import { readFileSync } from "node:fs";
import { Frame, pointsInBox } from "./frame.js";
import { MODEL } from "./model.js";
const { eyes, photo, hole, width, height, face, points, box } = JSON.parse(readFileSync(process.argv[2]));
const frame = Frame.of(eyes, MODEL.means, MODEL.size);
const plane = (pixels, width, height) => ({ width, height, pixels: Float32Array.from(pixels) });
const moved = frame.moved([7, 3]);
console.log(JSON.stringify({
  scale: frame.scale,
  corners: frame.corners(),
  model: points.map((point) => frame.toModel(point)),
  photo: points.map((point) => frame.toPhoto(point)),
  depth: points.map((point) => frame.depth(point)),
  moved: points.map((point) => moved.toModel(point)),
  drawn: [...frame.drawn(plane(photo, width, height)).pixels],
  missing: [...frame.drawn(plane(hole, width, height), "box").pixels],
  enlarged: [...frame.enlarged(plane(face, MODEL.size, MODEL.size), width, height).pixels],
  box: pointsInBox(box, MODEL.inBox),
}));
"""


@pytest.mark.parametrize("zoom", [0.4, 1, 3], ids=["smaller than the model's", "larger", "much larger"])
def test_a_frame_is_photo_s(page, zoom, rng):
    from faceinpaint_fast.photo.points import in_box

    photo = (
        np.asarray(Image.fromarray(data.astronaut()[60:160, 170:300, 1]).resize((round(130 * zoom), round(100 * zoom))))
        / 255
    )
    height, width = photo.shape
    hole = np.zeros(photo.shape, bool)
    hole[height // 3 : height // 2, width // 4 : width // 2] = True
    eyes = zoom * (EYES - (60, 60))
    points = rng.uniform(0, 100, (5, 2)) * zoom
    face = rng.random((64, 64))
    given = {"eyes": eyes.tolist(), "photo": photo.ravel().tolist(), "hole": hole.ravel().astype(int).tolist(),
             "width": width, "height": height, "face": face.ravel().tolist(), "points": points.tolist(),
             "box": [10, 20, 30, 50]}  # fmt: skip
    found = in_node(page, FRAME, given)
    frame = Frame.of(eyes, CELEBA_108.detected_in(64)[:2], 64)
    assert found["scale"] == pytest.approx(frame.scale)
    for name, expected in {
        "corners": frame.corners(),
        "model": frame.to_model(points),
        "photo": frame.to_photo(points),
        "depth": frame.depth(points),
        "moved": frame.moved(7, 3).to_model(points),
        "box": in_box([10, 20, 30, 50]),
    }.items():
        np.testing.assert_allclose(found[name], expected, atol=1e-9, err_msg=name)
    # OpenCV takes places to a 32nd of a pixel
    for name, expected, atol in [
        ("drawn", frame.drawn(photo.astype(np.float32)), 0.02),
        ("missing", frame.drawn(hole, Image.Resampling.BOX), 0.05),
        ("enlarged", frame.enlarged(face, photo.shape), 0.06),
    ]:
        apart = np.abs(np.reshape(found[name], expected.shape) - expected)
        assert apart.max() <= atol, (name, apart.max())
        assert apart.mean() <= 0.005, (name, apart.mean())


RESTORED = """
import { readFileSync } from "node:fs";
import { blendOf } from "./blend.js";
import { Frame } from "./frame.js";
import { Hole } from "./hole.js";
import { mirrorOf } from "./mirror.js";
import { MODEL } from "./model.js";
import { cut, planesOf, putInto } from "./planes.js";
import { restoredFace, restoredPhotograph, windowOf } from "./restoration.js";
const { pixels, width, height, missing, faces, mirror } = JSON.parse(readFileSync(process.argv[2]));
const library = new WebAssembly.Module(readFileSync(process.argv[3]));
// in place of a model, what draws each colour evenly in the hole
const search = (images, holes) =>
  images.map((value, i) => (holes[i % holes.length] ? [0.2, 0.5, 0.9][Math.floor(i / holes.length)] : value));
const engine = { model: MODEL, search, blend: blendOf(library), mirrored: mirrorOf(library, MODEL) };
const hole = Object.assign(new Hole(width, height), { pixels: Uint8Array.from(missing) });
const picture = { data: Uint8ClampedArray.from(pixels), width, height };
if (faces) {
  const frames = faces.map((points) => Frame.of(points, MODEL.means, MODEL.size));
  const box = windowOf(hole, frames, MODEL);
  const [across, down] = [box.right - box.left, box.bottom - box.top];
  const within = cut(hole.pixels, width, height, box);
  const area = width * height;
  const planes = cut(planesOf(picture), width, height, box);
  const moved = faces.map((points) => points.map(([x, y]) => [x - box.left, y - box.top]));
  const window = { planes, missing: within, width: across, height: down, area };
  const done = await restoredPhotograph(window, moved, mirror, engine, () => {});
  const part = { data: new Uint8ClampedArray(4 * across * down), width: across, height: down };
  putInto(part, done.planes, within);
  for (let i = 0; i < within.length; i++) {
    if (!within[i]) continue;
    const at = (Math.floor(i / across) + box.top) * width + (i % across) + box.left;
    picture.data.set(part.data.subarray(4 * i, 4 * i + 4), 4 * at);
  }
  console.log(JSON.stringify({ pixels: [...picture.data], faces: done.faces, remarks: done.remarks }));
} else {
  putInto(picture, await restoredFace(planesOf(picture), hole.pixels, engine), hole.pixels);
  console.log(JSON.stringify({ pixels: [...picture.data] }));
}
"""
COLOURS = np.array([0.2, 0.5, 0.9], np.float32)


def drawn_evenly(images, holes, *, seed):  # noqa: ARG001
    """What the script takes in place of a model."""
    generated = np.where(holes[..., None], COLOURS, images).astype(np.float32)
    return SimpleNamespace(generated=generated, losses={})


def restored(page, blend_wasm, photo, hole, faces, mirror="off"):
    height, width = hole.shape
    opaque = np.dstack([photo, np.full((height, width, 1), 255, np.uint8)])
    given = {"pixels": opaque.ravel().tolist(), "width": width, "height": height,
             "missing": hole.ravel().astype(int).tolist(), "faces": faces, "mirror": mirror}  # fmt: skip
    found = in_node(page, RESTORED, given, blend_wasm)
    return np.reshape(found.pop("pixels"), (height, width, 4))[..., :3], found


@pytest.fixture(scope="module")
def restorer(small_model):
    inpainter = Inpainter.of(load_model(small_model), config=CONFIG, device="cpu")
    return Restorer(inpainter, framing=CELEBA_108, through=drawn_evenly)


def holes_of_photographs():
    mouth, scratch, beside, beyond = (np.zeros((256, 256), bool) for _ in range(4))
    mouth[128:165, 100:150] = True
    mouth[10:20, 200:240] = True  # and another, that reaches into no face
    scratch[60:200, 118:120] = True
    beside[200:240, 10:40] = True
    beyond[100:150, 130:250] = True
    return {"mouth": mouth, "scratch": scratch, "beside": beside, "beyond": beyond}


@pytest.mark.parametrize("name", holes_of_photographs())
def test_a_photograph_is_restored_as_photo_restores_it(name, page, blend_wasm, restorer):
    photo, hole = data.astronaut()[:256, 110:366], holes_of_photographs()[name]
    found, told = restored(page, blend_wasm, photo, hole, [EYES.tolist()])
    done = restorer(photo, hole, faces=EYES[None], mirror="off")
    assert (
        sum(face["restored"] for face in told["faces"])
        == sum(face.generated is not None for face in done.faces)
        == (name in ("mouth", "beyond"))
    )
    assert [each.rstrip(".").lower() for each in told["remarks"]] == [each.lower() for each in done.notes]
    np.testing.assert_array_equal(found[~hole], photo[~hole])
    apart = np.abs(found.astype(int) - done.image)[hole]
    assert apart.mean() <= MEAN, apart.mean()
    assert apart.max() <= MOST, apart.max()
    assert np.abs(done.image.astype(int) - photo)[hole].mean() > 2


def test_faces_that_share_a_hole_are_restored_as_photo_does(page, blend_wasm, restorer):
    photo = data.astronaut()[:256, 110:366]
    hole = np.zeros((256, 256), bool)
    hole[120:150, 90:200] = True
    faces = np.stack([EYES, EYES + np.array((60, 10))])
    found, _ = restored(page, blend_wasm, photo, hole, faces.tolist())
    done = restorer(photo, hole, faces=faces, mirror="off")
    apart = np.abs(found.astype(int) - done.image)[hole]
    assert apart.mean() <= MEAN, apart.mean()
    assert apart.max() <= MOST, apart.max()


# of a hole, whether the face is even, and so whether its other half is taken
HALVES = {
    "an eye": (np.s_[96:118, 128:152], True, True),
    "half": (np.s_[60:190, 121:200], True, True),
    "both eyes": (np.s_[96:118, 84:154], True, False),
    "an uneven eye": (np.s_[96:118, 128:152], False, False),
    "half of a head that is turned": (np.s_[60:190, 118:200], False, False),
}


@pytest.mark.parametrize("mirror", ["auto", "on"])
@pytest.mark.parametrize("name", HALVES)
def test_the_other_half_is_taken_as_photo_takes_it(name, mirror, page, blend_wasm, restorer):
    part, is_even, used = HALVES[name]
    photo, face = data.astronaut()[:256, 110:366].copy(), EYES.copy()
    if is_even:
        photo[:, 119:238] = photo[:, 118::-1]
        face[1] = 237 - face[0, 0], face[0, 1]
    else:
        # as she is, with her nose, and the corners of her mouth
        face = np.array([*EYES, (113.0, 128.0), (103.0, 144.0), (139.0, 143.0)])
    hole = np.zeros((256, 256), bool)
    hole[part] = True
    found, told = restored(page, blend_wasm, photo, hole, [face.tolist()], mirror)
    done = restorer(photo, hole, faces=face[None], mirror=mirror)
    expected = done.faces[0].mirror
    assert told["faces"] == [{"restored": True, "mirror": {"used": expected.used, "why": expected.why}}]
    apart = np.abs(found.astype(int) - done.image)[hole]
    assert apart.mean() <= MEAN, apart.mean()
    assert apart.max() <= MOST, apart.max()
    assert expected.used is (used if mirror == "auto" else expected.trust is not None)
    plain = restorer(photo, hole, faces=face[None], mirror="off").image
    assert bool(np.abs(done.image.astype(int) - plain)[hole].mean() > 3) is expected.used


REFUSALS = """
import { readFileSync } from "node:fs";
import { refusal } from "./mirror.js";
import { MODEL } from "./model.js";
const { least, size } = MODEL.mirror;
const given = JSON.parse(readFileSync(process.argv[2]));
console.log(JSON.stringify(given.map(([cover, ring, yaw]) => refusal(cover, ring ?? NaN, yaw, least, size))));
"""


def test_the_other_half_is_refused_in_the_words_of_photo(page):
    """Worth is the share of the hole, the correlation around it, if there is one, and the turn of the head."""
    worth = [(0.04, 0.9, 0.0), (0.5, 0.42, 0.0), (0.5, 0.9, 2.26), (0.5, None, 0.3), (0.5, 0.71, 1.4)]
    found = in_node(page, REFUSALS, worth)
    assert found == [refusal(cover, np.nan if ring is None else ring, yaw) for cover, ring, yaw in worth]
    assert [why is None for why in found] == [False, False, False, True, True]


def test_an_aligned_face_is_blended_as_inpainter_does(page, blend_wasm, faces):
    from faceinpaint_fast import tension_blend

    hole = np.zeros((64, 64), bool)
    hole[20:50, 10:40] = True
    found, _ = restored(page, blend_wasm, faces[1], hole, None)
    source = np.where(hole[..., None], COLOURS, faces[1] / 255).astype(np.float32)
    expected = tension_blend(faces[1], source, hole, tension=CONFIG.tension)
    np.testing.assert_array_equal(found[~hole], faces[1][~hole])
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 1
