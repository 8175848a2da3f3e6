"""The service under load: `python -m tests.load [SCENARIO ...] [--share 0.1]`; a line of figures each, 1 if one fails.

Minutes each at their full size, so they are no part of the tests: `make test-load`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.load import crowd, ending, fuzz, hostile, mixed

SCENARIOS = {
    "crowd": crowd.run,
    "hostile": hostile.run,
    "fuzz": fuzz.run,
    "mixed": mixed.run,
    "sigterm": ending.sigterm,
    "sigkill": ending.sigkill,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.load", description=__doc__)
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--share", type=float, default=1.0, help="of their full size")
    parser.add_argument("--out", type=Path, help="file that lines are added to")
    told = parser.parse_args()
    failed = 0
    for name in told.scenarios or SCENARIOS:
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            try:
                figures = SCENARIOS[name](Path(folder), told.share)
                said = {"passed": True, **figures}
            except AssertionError as error:
                failed += 1
                said = {"passed": False, "why": str(error)}
        busy = round(os.getloadavg()[1], 1)
        line = {"scenario": name, **said, "took": round(time.monotonic() - start, 1), "load average": busy}
        print(json.dumps(line), flush=True)
        if told.out:
            told.out.parent.mkdir(parents=True, exist_ok=True)
            with told.out.open("a") as file:
                file.write(json.dumps(line) + "\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
