"""What is not installed is told by its name, with the line to type."""

from __future__ import annotations

import subprocess
import sys

import pytest

from faceinpaint_fast.extras import MissingExtraError, of_extra


def test_who_lacks_a_package_is_told_what_to_type():
    with (
        pytest.raises(
            MissingExtraError, match=r"^no_such_package: expected .* pip install 'faceinpaint_fast\[plots\]'$"
        ),
        of_extra("plots"),
    ):
        import no_such_package.inner  # type: ignore[import-not-found]  # noqa: F401


# everything but the core, as where nothing else is installed
ABSENT = (
    "import sys\nfor each in ('skimage', 'tifffile', 'typer', 'rich', 'matplotlib', 'cv2', 'lazy_loader', 'triton'):"
)
ABSENT += "\n    sys.modules[each] = None\n"


def without_extras(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", ABSENT + program, *arguments], capture_output=True, text=True, check=False
    )


def test_the_core_restores_and_blends_without_any():
    program = """
import numpy as np
from faceinpaint_fast import InpaintConfig, Inpainter, masks, ssim, tension_blend
import faceinpaint_fast
assert all(getattr(faceinpaint_fast, name) is not None for name in faceinpaint_fast.__all__)
image = np.zeros((64, 64, 3), np.uint8)
inpainter = Inpainter.from_pretrained(config=InpaintConfig(stages=[(1, 1, 0.1)]), device="cpu")
print(inpainter(image, masks.centre((64, 64))).image.shape)
"""
    done = without_extras(program)
    assert done.stdout.strip() == "(64, 64, 3)", done.stderr


def test_the_blends_alone_import_neither_torch_nor_scikit_image():
    program = """
import numpy as np
from faceinpaint_fast import masks, tension_blend
tension_blend(np.zeros((9, 9, 3)), np.zeros((9, 9, 3)), masks.centre((9, 9)))
print("torch" in sys.modules)
"""
    done = without_extras(program)
    assert done.stdout.strip() == "False", done.stderr


def test_the_command_names_its_extra_in_one_line():
    done = without_extras("from faceinpaint_fast.cli.__main__ import main\nmain()", "doctor")
    expected = "faceinpaint: typer: expected it to be installed, it is not: pip install 'faceinpaint_fast[cli]'"
    assert (done.returncode, done.stderr.strip()) == (1, expected)


@pytest.mark.parametrize(
    ("absent", "extra", "arguments"),
    [
        ("skimage", "cli", ["demo", "--iterations", "1"]),
        ("skimage", "evaluate", ["evaluate", "{tmp}", "--out", "{tmp}/out"]),
        ("skimage", "train", ["frechet", "{tmp}", "{tmp}"]),
        ("skimage", "train", ["calibrate", "{tmp}", "{tmp}"]),
        ("skimage", "train", ["train", "{tmp}", "--out", "{tmp}/model"]),
        ("skimage", "cli", ["parity"]),
        ("uvicorn", "serve", ["serve"]),
        ("ray", "cluster", ["batch", "{tmp}", "--holes", "centre", "-o", "{tmp}/out", "--engine", "ray"]),
        ("fsspec", "cluster", ["batch", "memory://nowhere", "--holes", "centre", "-o", "{tmp}/out"]),
        ("onnx", "onnx", ["export", "faces64", "-o", "{tmp}/inpaint.onnx"]),
        ("onnxscript", "onnx", ["export", "faces64", "-o", "{tmp}/inpaint.onnx"]),
        ("onnxruntime", "onnx", ["export", "faces64", "-o", "{tmp}/inpaint.onnx"]),
    ],
)
def test_a_command_names_the_extra_that_it_lacks(absent, extra, arguments, tmp_path):
    program = f"import sys; sys.modules[{absent!r}] = None\nfrom faceinpaint_fast.cli.__main__ import main\nmain()"
    given = [each.format(tmp=tmp_path) for each in arguments]
    done = subprocess.run([sys.executable, "-c", program, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().endswith(f"pip install 'faceinpaint_fast[{extra}]'")
    assert done.stderr.startswith(f"faceinpaint: {absent}: ")
