"""Schemathesis against the service's own OpenAPI: none of thousands of requests is answered but as it documents."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.load.server import lines, serving

REQUESTS = 10_000
PATHS = 8  # among which they are shared out
ROOT = Path(__file__).resolve().parent.parent.parent
HOOKS = os.environ | {"SCHEMATHESIS_HOOKS": "tests.load.fuzz_hooks", "PYTHONPATH": str(ROOT)}
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"


def requests(log: Path) -> list[dict[str, Any]]:
    """What was asked, but for whether the service was ready."""
    return [line for line in lines(log) if line["event"] == "request" and line["path"] != "/readyz"]


def run(folder: Path, share: float) -> dict[str, Any]:
    asked = 0
    with serving(folder) as server:
        seed = 0
        while asked < REQUESTS * share:
            command = [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{server.port}/openapi.json"),
                *("--checks", CHECKS, "--phases", "examples,fuzzing", "--generation-deterministic"),
                *("--max-examples", str(round(REQUESTS * share / PATHS)), "--seed", str(seed), "--no-color"),
                *("--request-timeout", "30", "--suppress-health-check", "all"),
            ]
            done = subprocess.run(command, cwd=folder, env=HOOKS, capture_output=True, text=True, check=False)
            before, asked = asked, len(requests(server.log))
            assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
            assert asked > before, done.stdout[-2000:]
            seed += 1
        statuses: dict[str, int] = {}
        for line in requests(server.log):
            statuses[str(line["status"])] = statuses.get(str(line["status"]), 0) + 1
    figures = {"requests": asked, "statuses": statuses}
    assert not any(re.match("5", status) for status in statuses), json.dumps(figures)
    return figures
