"""Fixtures that several test files share."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from faceinpaint_fast import InpaintConfig
from faceinpaint_fast.framing import CELEBA_108
from faceinpaint_fast.models import load_model, save_encoder, save_model
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANEncoder, DCGANGenerator

# threads of a small problem cost more than they bring, and much more on a busy machine
torch.set_num_threads(1)

# a shell starts what runs in the background with SIGINT ignored, nohup with SIGHUP, and children inherit that
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)

# Triton reads it when it is imported, and nothing has imported it yet: without a GPU its interpreter runs the kernels
os.environ.setdefault("TRITON_INTERPRET", str(int(not torch.cuda.is_available())))


# what a test takes, all its cases together, in seconds of processors: on a busy machine these are as many
DURATIONS = Path(__file__).parent / "durations.json"
RECORDED = 0.1  # seconds from which on they are written down
SLOW = 0.15  # seconds beyond which `make test-fast` leaves a test out
# fixtures that take seconds to make, whichever test is the first to ask for one
LONG_MADE = {"exported", "blending", "blend_library", "blend_wasm", "search_library", "search_wasm", "site"}
SECONDS = pytest.StashKey[Counter[str]]()
LEFT_OUT = pytest.StashKey[list[pytest.Item]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--write-durations", action="store_true", help=f"write what each test that runs takes to {DURATIONS.name}"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SECONDS], config.stash[LEFT_OUT] = Counter(), []


def _name(item: pytest.Item) -> str:
    """A test's name, the same for all its cases."""
    return item.nodeid.partition("[")[0]


def _file(name: str) -> str:
    return name.partition("::")[0]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked gpu need a CUDA device; those that were measured to be slow are marked so."""
    measured = json.loads(DURATIONS.read_text())
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="no CUDA device"))
        if measured.get(_name(item), 0) > SLOW or not LONG_MADE.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Measures a test with its fixtures, and the processes that it ran."""
    before = sum(os.times()[:4])
    done = yield
    item.config.stash[SECONDS][_name(item)] += sum(os.times()[:4]) - before
    return done


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("slow"):
            item.config.stash[LEFT_OUT].append(item)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Says which slow tests were left out."""
    if not config.stash[LEFT_OUT]:
        return
    measured, by_file = json.loads(DURATIONS.read_text()), defaultdict(list)
    for name in dict.fromkeys(map(_name, config.stash[LEFT_OUT])):
        file, _, test = name.partition("::")
        by_file[file].append(f"{test} ({measured.get(name, 0):.1f} s)")
    terminalreporter.section(
        f"left out, each more than {SLOW} s by {DURATIONS.name}, or what it is done with takes seconds to make"
    )
    for file, tests in by_file.items():
        terminalreporter.line(f"{file}: {', '.join(tests)}")


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.getoption("--write-durations"):
        seconds = session.config.stash[SECONDS]
        # what was measured before is kept of files that were not run and are still there
        before, ran, root = json.loads(DURATIONS.read_text()), set(map(_file, seconds)), session.config.rootpath
        told = {name: before[name] for name in before if _file(name) not in ran and (root / _file(name)).exists()}
        told |= {name: round(taken, 1) for name, taken in seconds.items() if taken >= RECORDED}
        DURATIONS.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")


@pytest.fixture
def faceinpaint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line: (exit status, stdout, stderr)."""

    # it is no part of what most tests need
    from faceinpaint_fast.cli.main import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["faceinpaint", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return exit_.value.code or 0, out, err

    return run


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20190101)


@pytest.fixture(autouse=True)
def _nan_in_fresh_memory() -> Iterator[None]:
    """Fill what torch.empty returns with NaN, so that reading it before it was written cannot go unnoticed."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


def _lively(network: torch.nn.Module) -> torch.nn.Module:
    """A fresh DCGAN draws flat grey: larger weights and uneven BatchNorm statistics give it something to draw."""
    generator = torch.Generator().manual_seed(7)
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
            with torch.no_grad():
                # every number of the network is set: its own initialisation drew from the global generator
                fan_in = module.weight[0].numel() if isinstance(module, torch.nn.Conv2d) else module.in_channels * 4
                module.weight.normal_(0, fan_in**-0.5, generator=generator)
                if module.bias is not None:
                    module.bias.zero_()
        if isinstance(module, torch.nn.BatchNorm2d):
            with torch.no_grad():
                module.weight.uniform_(0.8, 1.2, generator=generator)
                module.bias.normal_(0, 0.2, generator=generator)
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
    return network.eval()


@pytest.fixture(params=["float16", "float64", "no device"])
def other_defaults(request: pytest.FixtureRequest) -> Iterator[Callable[[], None]]:
    """What makes another dtype, or another device, torch's default until the test has ended."""

    def set_them() -> None:
        if request.param == "no device":
            torch.set_default_device("meta")
        else:
            torch.set_default_dtype(getattr(torch, request.param))

    yield set_them
    torch.set_default_dtype(torch.float32)
    torch.set_default_device(None)


@pytest.fixture(scope="session")
def lively() -> Callable[[torch.nn.Module], torch.nn.Module]:
    """Gives a DCGAN of any size random weights with which it has something to draw."""
    return _lively


@pytest.fixture
def generator() -> DCGANGenerator:
    """A small G with random weights whose images are lively."""
    return _lively(DCGANGenerator(width=4))


@pytest.fixture
def discriminator() -> DCGANDiscriminator:
    """A small D with random weights."""
    return _lively(DCGANDiscriminator(width=4))


@pytest.fixture
def encoder() -> DCGANEncoder:
    """A small encoder with random weights."""
    return _lively(DCGANEncoder(width=4))


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with small networks of random weights, those of `generator`, `discriminator` and `encoder`."""
    folder = tmp_path_factory.mktemp("small") / "model"
    networks = [_lively(kind(width=4)) for kind in (DCGANGenerator, DCGANDiscriminator)]
    save_model(folder, *networks, framing=CELEBA_108, training={})
    save_encoder(folder, load_model(folder), _lively(DCGANEncoder(width=4)), training={"width": 4})
    return folder


@pytest.fixture(scope="session")
def exported(small_model: Path) -> tuple[Path, InpaintConfig]:
    """That model's search as an ONNX file, and its config: exporting takes half a minute."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    from faceinpaint_fast.export import onnx_file

    config = InpaintConfig(stages=[(1, 3, 0.1), (3, 2, 0.1)], lambda_u=1.0)
    out = small_model.parent / "inpaint.onnx"
    onnx_file.export(load_model(small_model), out, config=config)
    return out, config


ROOT = Path(__file__).resolve().parents[1]


def _made(target: str, **variables: Path | str) -> None:
    """Makes a target of the Makefile."""
    named = [f"{name}={value}" for name, value in variables.items()]
    subprocess.run(["make", "-s", "-C", ROOT, target, *named], check=True, capture_output=True)


@pytest.fixture(scope="session")
def blend_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which libfaceinpaint_blend lies, shared and static."""
    return _library("blend", tmp_path_factory)


@pytest.fixture(scope="session")
def search_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which libfaceinpaint_search lies, shared and static."""
    return _library("search", tmp_path_factory)


@pytest.fixture(scope="session")
def blend_wasm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The blend as wasm."""
    return _wasm("faceinpaint_blend.wasm", tmp_path_factory)


@pytest.fixture(scope="session")
def search_wasm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The search as wasm."""
    return _wasm("faceinpaint_search.wasm", tmp_path_factory)


def _library(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import cmake

    build = tmp_path_factory.mktemp("libraries")
    _made(name, BUILD=build, CMAKE=Path(cmake.CMAKE_BIN_DIR) / "cmake")
    return build / name


def _wasm(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("em++"):
        pytest.skip("no em++, emscripten's compiler")
    build = tmp_path_factory.mktemp("modules")
    made = build / "wasm" / name
    _made(str(made), BUILD=build)
    return made


def _draw_face(number: int, size: int = 64) -> np.ndarray:
    """A head with one eye, so that its mirror image is another: (size, size, 3) uint8."""
    rng = np.random.default_rng(number)
    picture = Image.new("RGB", (size, size), tuple(rng.integers(0, 100, 3).tolist()))
    draw = ImageDraw.Draw(picture)
    draw.ellipse([size // 5, size // 8, 4 * size // 5, 7 * size // 8], fill=tuple(rng.integers(120, 255, 3).tolist()))
    draw.ellipse([size // 3, size // 3, 9 * size // 20, 9 * size // 20], fill="black")
    return np.asarray(picture)


@pytest.fixture(scope="session")
def draw_face() -> Callable[..., np.ndarray]:
    return _draw_face


@pytest.fixture(scope="session")
def faces() -> np.ndarray:
    """Sixteen of them: (16, 64, 64, 3) uint8."""
    drawn = np.stack([_draw_face(i) for i in range(16)])
    drawn.flags.writeable = False
    return drawn
