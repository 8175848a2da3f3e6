"""The page without a server: a folder of static files, or one file, that restore faces in whatever browser opens them.

It is the page of the service with another engine: `export/page/` lies over `service/page/`.  The search and the blend
are the project's C++ as wasm; the numbers of `photo` stand in a module that is written here.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from importlib.resources import files
from pathlib import Path

from faceinpaint_fast._cpu import Halves
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.export import search_file
from faceinpaint_fast.export.facts import facts_of
from faceinpaint_fast.files import check_place, write_atomically, write_text
from faceinpaint_fast.models import Model
from faceinpaint_fast.photo import mirror, paste
from faceinpaint_fast.photo.points import IN_BOX

PACKAGE = files("faceinpaint_fast")
WASM = Path("build/wasm")
MODULES = ("faceinpaint_blend.wasm", "faceinpaint_search.wasm")
ICON, STYLE, MAIN, WORKER, PLACES = (
    f"page/{name}" for name in ("icon.svg", "style.css", "main.js", "worker.js", "places.js")
)
# what a folder needs alone, and what one file does
OF_FOLDER = ("service_worker.js",)
OF_FILE = ("single.js", "places_in_file.js")
# of the service's engine
UNUSED = {"http_engine.js", "event_stream.js", "png.js"}
IMPORTED = re.compile(r'(?:^import |\bfrom )"\./([^"]+)"', re.MULTILINE)
# whom the page may ask: where it came from, itself where it is one file, and nobody else
POLICY = (
    "default-src 'none'; script-src {scripts} 'wasm-unsafe-eval'; worker-src {workers}; connect-src {asked};"
    " style-src {styles}; img-src 'self' data:; base-uri 'none'; form-action 'none'"
)


def modules(folder: Path = WASM) -> dict[str, bytes]:
    """Returns what `make wasm` made in a folder, by its names in the page; InputError, which says so, without it."""
    for name in MODULES:
        if not (folder / name).is_file():
            how = "`make wasm` makes it, with emscripten (apt install emscripten)"
            raise InputError(f"{folder}: expected the blend and the search as wasm, got no {name} there: {how}")
    return {f"engine/{name}": (folder / name).read_bytes() for name in MODULES}


def contents(model: Model, config: InpaintConfig, compiled: Mapping[str, bytes]) -> dict[str, bytes]:
    """Returns all files of the page by their names, but for those that tell of the others.

    compiled  as `modules` returns it

    Raises InputError for a config that `search_file.searched` refuses.
    """
    search = search_file.searched(model, config)
    found = {}
    for folder in ("service", "export"):
        for each in sorted((PACKAGE / folder / "page").iterdir(), key=lambda each: each.name):
            found[each.name] = each.read_bytes()
    ours = {name: found.pop(name) for name in ("index.html", *OF_FOLDER, *OF_FILE)}
    page = {f"page/{name}": content for name, content in found.items() if name not in UNUSED}
    about = "// The model, and the numbers that photo/ restores photographs by."
    told = f"{about}\n\nexport const MODEL = {facts(model, config)};\n"
    return {**ours, **page, "page/model.js": told.encode(), "engine/inpaint.search": search, **compiled}


def facts(model: Model, config: InpaintConfig) -> str:
    """Returns as JSON what the page knows of a model, and of how photographs are restored."""
    kind = model.config
    return json.dumps(
        {
            **facts_of(model, config),
            "means": kind.framing.detected_in(kind.size).tolist(),
            "inBox": IN_BOX.tolist(),
            "paste": {
                "smooth": paste.SMOOTH,
                "pull": paste.PULL,
                "gone": paste.GONE,
                "reach": paste.REACH,
                "fading": paste.FADING,
                "near": paste.NEAR,
                "steep": paste.STEEP,
            },
            "mirror": {
                "size": Halves.SIZE,
                "fine": Halves.FINE,
                "pad": Halves.PAD,
                "axis": mirror.AXIS,
                "pull": mirror.PULL,
                "least": {"cover": mirror.COVER, "ring": mirror.RING, "yaw": mirror.YAW},
            },
        },
        indent=2,
    )


def write(out: Path, made: Mapping[str, bytes]) -> None:
    """Writes the page's `contents` into a folder, which is made if need be; index.html is its last file.

    Raises InputError for a place that cannot be written to.
    """
    policy = POLICY.format(scripts="'self'", workers="'self' blob:", asked="'self'", styles="'self'")
    index = with_policy(made["index.html"].decode(), policy)
    written = {name: content for name, content in made.items() if "/" in name}
    digest = hashlib.sha256(index.encode() + made["service_worker.js"])
    for name, content in sorted(written.items()):
        digest.update(name.encode() + b"\0" + content)
    listed = json.dumps(["./", "index.html", *sorted(written)])
    worker = f'const VERSION = "{digest.hexdigest()}";\nconst FILES = {listed};\n'.encode() + made["service_worker.js"]
    for name, content in {**written, "service_worker.js": worker, "index.html": index.encode()}.items():
        write_atomically(out / name, lambda file, content=content: file.write(content))  # type: ignore[misc]


def write_single(out: Path, made: Mapping[str, bytes]) -> None:
    """Writes the page's `contents` as one file, which opens from a disk.

    Raises InputError for a place that cannot be written to.
    """
    loader, style = made["single.js"].decode(), made[STYLE].decode()
    made = {**made, PLACES: made["places_in_file.js"]}
    names = [*(name for name in made if name.startswith("engine/")), *in_order(made)]
    packed = "".join(
        f'<script type="text/plain" data-name="{name}">{packed_of(made[name])}</script>\n' for name in names
    )
    policy = POLICY.format(scripts=f"{hashed(loader)} data:", workers="data:", asked="blob:", styles=hashed(style))
    index = with_policy(made["index.html"].decode(), policy)
    icon = f"data:image/svg+xml;base64,{base64.b64encode(made[ICON]).decode()}"
    for old, new in {
        f'href="{ICON}"': f'href="{icon}"',
        f'<link rel="stylesheet" href="{STYLE}" />': f"<style>{style}</style>",
        f'    <script type="module" src="{MAIN}"></script>\n': "",
        "  </body>": f'{packed}<script type="module">{loader}</script>\n  </body>',
    }.items():
        assert index.count(old) == 1, old
        index = index.replace(old, new)
    write_text(out, index)


def in_order(made: Mapping[str, bytes]) -> list[str]:
    """Returns the modules of the worker, then those of the page, which starts it, each behind those that it imports."""
    found: dict[str, None] = {}

    def add(name: str) -> None:
        for imported in _imports(made[name]):
            if imported not in found:
                add(imported)
        found[name] = None

    add(WORKER)
    add(MAIN)
    return list(found)


def _imports(module: bytes) -> Iterator[str]:
    return (f"page/{name}" for name in IMPORTED.findall(module.decode()))


def with_policy(index: str, policy: str) -> str:
    """Returns a page that keeps to a policy, whoever serves it."""
    first = '    <meta charset="utf-8" />\n'
    assert index.count(first) == 1
    return index.replace(first, f'{first}    <meta http-equiv="Content-Security-Policy" content="{policy}" />\n')


def packed_of(content: bytes) -> str:
    """Returns a file as it stands in another."""
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def hashed(text: str) -> str:
    """Returns what a policy calls a script or a style that stands in the page itself."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def check(out: Path | None, single: Path | None) -> None:
    """Raises InputError unless the page could be written there."""
    if out is None and single is None:
        raise InputError("out: expected a folder, or --single a file, got neither")
    if out is not None:
        check_place(out / "index.html")
    if single is not None:
        check_place(single)
