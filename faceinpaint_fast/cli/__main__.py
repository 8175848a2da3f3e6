"""The command `faceinpaint`, also `python -m faceinpaint_fast` and `python -m faceinpaint_fast.cli`."""

import sys

from faceinpaint_fast.extras import MissingExtraError, of_extra


def main() -> None:
    """Runs the command line, if its extra is installed."""
    try:
        with of_extra("cli"):
            from faceinpaint_fast.cli.main import main as command
    except MissingExtraError as error:
        sys.exit(f"faceinpaint: {error}")
    command()


if __name__ == "__main__":
    main()
