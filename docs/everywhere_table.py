"""Measures the doors of docs/everywhere.md and writes its tables.

    make blend search wasm; CXXFLAGS=-march=native make search BUILD=build/native
    faceinpaint export faces64 -o F.onnx --config fast
    python docs/everywhere_table.py --onnx F.onnx --faces FOLDER-OR-TAR

    python docs/everywhere_table.py --page FOLDER    # which `make page` wrote: that table alone, in a Chromium

Every face is restored by `Inpainter` and by onnxruntime in turn, one at a time and on one thread each.  Times are the
processor's, which other programs on the machine change least; of a browser they are a clock's.
"""

from __future__ import annotations

import argparse
import ctypes
import dataclasses
import functools
import gzip
import io
import json
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from PIL import Image

from faceinpaint_fast import Inpainter, config, doctor, markdown, masks, tension_blend
from faceinpaint_fast.evaluation.metrics import quality
from faceinpaint_fast.export import search_file
from faceinpaint_fast.export.onnx_file import HOLES, run, session
from faceinpaint_fast.faces import load_faces
from faceinpaint_fast.models import Model, load_model

ROOT = Path(__file__).resolve().parents[1]
SAME = 1e-4  # mean difference of T that counts as the same
# of a face in Node: loading, and each of several runs after the first, in milliseconds
IN_NODE = """
import { readFileSync } from 'node:fs';
const [file, side] = process.argv.slice(1), size = Number(side), area = size * size;
const now = () => process.cpuUsage().user / 1000 + process.cpuUsage().system / 1000;
const began = now();
%s
const times = [now() - began];
const missing = Uint8Array.from({ length: area }, (_, i) => (i %% size > size / 2 ? 1 : 0));
const image = Float32Array.from({ length: 3 * area }, (_, i) => (i %% 97) / 97);
for (let run = 0; run < 8; ++run) {
    const start = now();
    await search(image, missing);
    times.push(now() - start);
}
console.log(JSON.stringify(times));
"""
OF_RUNTIME = """
const ort = await import('onnxruntime-web');
ort.env.wasm.numThreads = 1;
const session = await ort.InferenceSession.create(readFileSync(file));
const search = (image, missing) =>
    session.run({ images: new ort.Tensor('float32', image, [1, 3, size, size]),
                  holes: new ort.Tensor('float32', Float32Array.from(missing), [1, 1, size, size]) });
"""
OF_LIBRARY = """
const inlined = (text) => 'data:text/javascript;base64,' + Buffer.from(text).toString('base64');
const read = (name) => readFileSync(`../../faceinpaint_fast/export/page/${name}.js`, 'utf8');
const { searchOf } = await import(inlined(read('search').replace('./library.js', inlined(read('library')))));
const module = new WebAssembly.Module(readFileSync('../../build/wasm/faceinpaint_search.wasm'));
const search = searchOf(module, readFileSync(file));
"""

# of the page's engine: to its first answer, and each of several behind it, in seconds, for a picture and a hole of it
IN_PAGE = """
async ([bytes, box, eyes, runs]) => {
  const { WorkerEngine } = await import("./page/worker_engine.js");
  const { Hole } = await import("./page/hole.js");
  const { Photograph } = await import("./page/photograph.js");
  const engine = new WorkerEngine();
  const picture = await Photograph.read(new File([Uint8Array.from(bytes)], "a.jpg", { type: "image/jpeg" }));
  const hole = new Hole(picture.width, picture.height);
  hole.rectangle({ left: box[0], top: box[1], right: box[2], bottom: box[3] }, 1);
  const options = { signal: new AbortController().signal, marked: eyes ? [{ eyes }] : [], format: "png" };
  const seconds = [];
  for (let run = 0; run < runs; run++) {
    const began = performance.now();
    await engine.inpaint(picture, hole, options, () => {});
    seconds.push((performance.now() - began) / 1000);
  }
  return seconds;
}
"""


def timed(do: Callable[[], Any]) -> tuple[float, Any]:
    began = time.process_time()
    done = do()
    return time.process_time() - began, done


def restored(runs: Any, inpainter: Inpainter, faces: Any, tension: float) -> dict[str, list[float]]:
    """What came of every face under every hole: seconds, distances, whether the bytes are the same, decibels."""
    found: dict[str, list[float]] = {name: [] for name in ("engine", "onnx", "apart", "own", "same", "decibel")}
    for name in HOLES:
        for number, face in enumerate(faces):
            hole = masks.draw(name, face.shape[:2], seed=number)
            image = face / np.float32(255)
            planar = np.ascontiguousarray(image.transpose(2, 0, 1))[None]
            engine, expected = timed(lambda image=image, hole=hole: inpainter(image, hole).generated)
            seconds, drawn = timed(lambda planar=planar, hole=hole: run(runs, planar, hole[None])[0][0])
            drawn = drawn.transpose(1, 2, 0)
            again = inpainter((image * np.float32(1 + 1e-7)).clip(0, 1), hole).generated
            pictures = [tension_blend(face, np.float32(each), hole, tension=tension) for each in (expected, drawn)]
            decibels = [quality(each / 255, face / 255, hole).hole_psnr for each in pictures]
            for key, value in {
                "engine": engine,
                "onnx": seconds,
                "apart": np.abs(drawn - expected).mean(),
                "own": np.abs(again - expected).mean(),
                "same": np.array_equal(*pictures),
                "decibel": decibels[1] - decibels[0],
            }.items():
                found[key].append(float(value))
    return found


def agreement(found: dict[str, list[float]], faces: int) -> str:
    f = {name: np.array(values) for name, values in found.items()}
    rows = [
        ["pictures, identical in 8 bits", f"{f['same'].mean():.0%} of {faces} faces x {len(HOLES)} holes"],
        ["PSNR in the hole, beside `Inpainter`'s", f"{f['decibel'].mean():+.3f} dB on average"],
        ["T, mean difference: in the median, and the largest", f"{np.median(f['apart']):.1e}, {f['apart'].max():.4f}"],
        [f"T within {SAME:g}", f"{(f['apart'] <= SAME).mean():.0%}"],
        ["the same of `Inpainter` beside itself with the image times 1 + 1e-7",
         f"{np.median(f['own']):.1e}, {f['own'].max():.4f}; {(f['own'] <= SAME).mean():.0%}"],
        ["seconds a face, by `Inpainter`'s without its blend", f"{np.median(f['onnx'] / f['engine']):.2f} times"],
    ]  # fmt: skip
    return markdown.table(["", "onnxruntime beside `Inpainter`"], rows)


def in_node(search: str, file: Path, size: int) -> list[float]:
    """What a search takes in Node, in milliseconds: to load it, and a face, at least."""
    line = ["node", "--input-type=module", "-e", IN_NODE % search, file.resolve(), str(size)]
    cwd = ROOT / "examples/onnx"
    first, _, *later = json.loads(subprocess.run(line, check=True, capture_output=True, text=True, cwd=cwd).stdout)
    return [first, min(later)]


def in_library(library: Path, file: Path, size: int) -> list[float]:
    """What a search takes in libfaceinpaint_search, in milliseconds: to load it, and a face, at least."""
    search = ctypes.CDLL(str(library))
    search.faceinpaint_search_open.restype = ctypes.c_void_p
    image = np.random.default_rng(0).random((3, size, size), np.float32)
    drawn, missing = np.empty_like(image), masks.draw("left", (size, size)).astype(np.uint8)
    arguments = [ctypes.c_void_p(each.ctypes.data) for each in (image, missing, drawn)]
    arguments[2:2] = [ctypes.c_int(1)]
    content = file.read_bytes()
    found: list[list[float]] = [[], []]
    for _ in range(5):
        seconds, opened = timed(lambda: search.faceinpaint_search_open(content, ctypes.c_size_t(len(content))))
        assert opened
        found[0].append(1000 * seconds)
        for _ in range(3):
            seconds, outcome = timed(lambda: search.faceinpaint_search_run(ctypes.c_void_p(opened), *arguments))  # noqa: B023
            assert outcome == 0
            found[1].append(1000 * seconds)
        search.faceinpaint_search_close(ctypes.c_void_p(opened))
    return [min(each) for each in found]


def doors(file: Path, found: dict[str, list[float]], model: Model, chosen: config.InpaintConfig) -> str:
    loads = [timed(lambda: session(onnx.load(file)))[0] for _ in range(5)]
    size, build = model.config.size, ROOT / "build"

    def row(door: str, of: str, *parts: Path, times: list[float]) -> list[str]:
        sizes = [f"{part.stat().st_size / 1e6:.2f} MB" for part in parts]
        named = [sizes[0], *(of + each for each in sizes[1:])]
        return [door, ", ".join(named), *(f"{each:.0f} ms" for each in times), *[""] * (2 - len(times))]

    runtime = next((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so*"))
    web = ROOT / "examples/onnx/node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"
    with tempfile.TemporaryDirectory() as folder:
        ours = Path(folder) / "faces.search"
        search_file.export(model, ours, config=chosen)
        libraries = {
            "any of its kind of processor": build / "search/libfaceinpaint_search.so",
            "this very processor (`CXXFLAGS=-march=native`)": build / "native/search/libfaceinpaint_search.so",
        }
        wasm = build / "wasm/faceinpaint_search.wasm"
        rows = [
            ["Python, `Inpainter`", "the package", "", f"{1000 * min(found['engine']):.0f} ms"],
            row("any language, the file under onnxruntime", "the runtime ", file, runtime,
                times=[1000 * min(loads), 1000 * min(found["onnx"])]),
            row("JavaScript, the file under onnxruntime-web", "the runtime ", file, web,
                times=in_node(OF_RUNTIME, file, size)),
            *(row(f"C, the search's library, compiled for {of}", "the library ", ours, library,
                  times=in_library(library, ours, size)) for of, library in libraries.items()),
            row("JavaScript, the search's library as wasm", "the library ", ours, wasm,
                times=in_node(OF_LIBRARY, ours, size)),
            row("the blend and the mirror, shared object", "", build / "blend/libfaceinpaint_blend.so", times=[]),
            row("the blend and the mirror, wasm", "", build / "wasm/faceinpaint_blend.wasm", times=[]),
        ]  # fmt: skip
    return markdown.table(["door", "size", "to load, at least", "a face without its blend, at least"], rows)


def in_page(folder: Path, size: int) -> str:
    """What the page takes in a Chromium, on one thread: an aligned face, and a photograph of 12 megapixels."""
    from playwright.sync_api import sync_playwright
    from skimage import data

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # the astronaut's head, and where the eyes lie in it
    head, eyes = Image.fromarray(data.astronaut()[:256, 110:366]), [(97, 108), (141, 106)]
    factor = 3000 / 256

    def jpeg(image: Image.Image) -> list[int]:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=95)
        return list(file.getvalue())

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        face = jpeg(head.crop((64, 64, 172, 172)).resize((size, size)))
        of_face = page.evaluate(IN_PAGE, [face, [size // 2, 0, size, size], None, 9])
        large = Image.new("RGB", (4000, 3000), "grey")
        large.paste(head.resize((3000, 3000)), (0, 0))
        at = [[factor * (x + 0.5), factor * (y + 0.5)] for x, y in eyes]
        mouth = [round(factor * each) for each in (98, 126, 152, 166)]
        of_photograph = page.evaluate(IN_PAGE, [jpeg(large), mouth, at, 3])
        told = f"Chromium {browser.version}"
        browser.close()
    server.shutdown()
    files = [each for each in folder.rglob("*") if each.is_file()]
    whole, packed = (
        sum(map(len, each)) for each in zip(*((b, gzip.compress(b)) for b in map(Path.read_bytes, files)), strict=True)
    )
    rows = [
        ["all of its files; gzipped", f"{whole / 1e6:.1f} MB; {packed / 1e6:.1f} MB"],
        ["from nothing to a first face restored", f"{of_face[0]:.2f} s"],
        ["a face with its blend, read and written", f"{min(of_face[1:]):.2f} s"],
        ["a photograph of 12 megapixels, a mouth of it", f"{min(of_photograph[1:]):.1f} s"],
    ]
    return markdown.table(["one thread", told], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", type=Path)
    parser.add_argument("--onnx", type=Path)
    parser.add_argument("--model", default="faces64")
    parser.add_argument("--config", default="fast")
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--update", type=Path, help="a document whose tables are written anew, such as this one's")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(asked.model)
    size, framing = model.config.size, model.config.framing
    name = f"{asked.model} {asked.config}"
    if asked.page:
        page = in_page(asked.page, size)
        told = {f"everywhere page {name}": markdown.page(page, doctor.machine(torch.device("cpu")))}
        tell(told, asked.update)
        return
    if not (asked.onnx and asked.faces):
        parser.error("expected --onnx and --faces, or --page")
    chosen = dataclasses.replace(config.PRESETS[asked.config], blend="none")
    inpainter = Inpainter.of(model, config=chosen, device="cpu")
    faces = load_faces([asked.faces], size=size, framing=framing, limit=asked.count)
    found = restored(session(onnx.load(asked.onnx)), inpainter, faces, chosen.at_size(size).tension)
    told = {f"everywhere agreement {name}": agreement(found, len(faces))}
    told[f"everywhere doors {name}"] = markdown.page(
        doors(asked.onnx, found, model, chosen), doctor.machine(inpainter.device)
    )
    tell(told, asked.update)


def tell(told: dict[str, str], document: Path | None) -> None:
    print("\n\n".join(told.values()))
    if document:
        markdown.update([document], told, elsewhere=lambda table: table.startswith("everywhere"))


if __name__ == "__main__":
    main()
