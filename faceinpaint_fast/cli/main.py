"""The command `faceinpaint`: the commands by name, and every error as one line.

Heavy imports happen inside the commands: --help must not wait for torch.
"""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Annotated

import typer

from faceinpaint_fast import __version__
from faceinpaint_fast.cli import batch, console, judge, restore, serve, ship, train
from faceinpaint_fast.errors import InputError, ModelError
from faceinpaint_fast.extras import MissingExtraError

# click's, which newer versions of typer have taken in: its only address in all of them
USAGE_ERROR = typer.BadParameter.__mro__[1]

# a name that is not a command's is not likely another's: "batch" is no slip for "bench"
app = typer.Typer(pretty_exceptions_enable=False, suggest_commands=False)
# in the order of --help
for command in (
    restore.inpaint,
    batch.batch,
    serve.serve,
    restore.demo,
    train.train,
    train.train_encoder,
    train.fine_tune,
    ship.export,
    ship.page,
    train.calibrate,
    train.frechet,
    ship.doctor,
    ship.models,
    ship.tune,
    judge.bench,
    judge.parity,
    judge.evaluate,
):
    app.command()(command)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"faceinpaint {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error; anywhere on the line.")
    ] = False,
) -> None:
    """Restore missing parts of face photographs by searching the latent space of a generator."""


def main() -> None:
    """Runs the command line; an error is one line on stderr, with --debug anywhere its traceback, and exit status 2.

    It is 1 where the command tells "nothing done" from other failures.
    """
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    console.print_anything()
    # what Pillow says of a broken file, besides raising an error, would be a second line
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("PIL").addHandler(logging.NullHandler())
    try:
        # not standalone, where typer would draw a frame around a usage error
        sys.exit(app(arguments or ["--help"], prog_name="faceinpaint", standalone_mode=False))
    except typer.Abort:
        sys.exit(130)
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        message = getattr(error, "format_message", error.__str__)()
        if not isinstance(error, InputError | ModelError | MissingExtraError | OSError | USAGE_ERROR):
            message = f"unforeseen {type(error).__name__}, please report it with what --debug shows: {message}"
        console.remark(" ".join(message.split()))
        sys.exit(1 if isinstance(error, batch.NothingDoneError) else 2)
