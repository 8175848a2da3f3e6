"""The package opens no connection, but for the service, which answers those that others open, and what asks for some.

That are a cluster, and pictures behind addresses.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import faceinpaint_fast

PACKAGE = Path(faceinpaint_fast.__file__).parent
CONNECTS = {
    "socket",
    "ssl",
    "asyncio",
    "http",
    "urllib",
    "ftplib",
    "smtplib",
    "requests",
    "httpx",
    "aiohttp",
    "urllib3",
    "huggingface_hub",
    "fsspec",
    "ray",
}
SERVES = {"service", "cluster"}
# the first looks whether there is a Ray before what takes time
ASK = {Path("cli/engine.py"), Path("folders/sources.py")}


def imported(text):
    """The packages that a program imports, anywhere in it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


def test_the_package_opens_no_connection():
    files = [path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in SERVES]
    assert len(files) > 100
    for path in files:
        allowed = {"fsspec", "ray"} if path.relative_to(PACKAGE) in ASK else set()
        assert (CONNECTS - allowed).isdisjoint(imported(path.read_text())), path


def test_an_import_within_a_function_is_noticed():
    assert "urllib" in imported("def fetch():\n    from urllib.request import urlopen\n")
    assert CONNECTS & sys.stdlib_module_names
