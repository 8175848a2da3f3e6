"""Puts another compiled module in place of the installed one, for `make sanitize` and `make test-threaded`.

    python -m pytest -p tests.sanitized ...    or   python -m tests.sanitized MODULE ARGUMENTS...

SANITIZED is the folder where that module was built.
"""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys
from pathlib import Path

NAME = "faceinpaint_fast._cpu"

# before anything imports the package
if NAME not in sys.modules:
    (built,) = Path(os.environ["SANITIZED"]).glob("_cpu*.so")
    spec = importlib.util.spec_from_file_location(NAME, built)
    sys.modules[NAME] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[NAME])

if __name__ == "__main__":
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
