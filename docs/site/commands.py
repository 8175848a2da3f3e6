"""The page of the commands, from the help that each of them gives."""

import re

import typer
from typer.cli import get_docs_for_click

from faceinpaint_fast.cli.main import app as commands

PAGE = "docs/reference/commands"


def on_page(_app, name, source):
    """Sphinx's event: what is in `source` may be changed."""
    if name == PAGE:
        source[0] += helps()


def helps():
    """Returns the help of every command in Markdown, a section each."""
    command = typer.main.get_command(commands)
    told = get_docs_for_click(obj=command, ctx=typer.Context(command), name="faceinpaint")
    # the program's own section, whose list of commands cuts their first sentences short
    _, *sections = re.split(r"^(?=## )", told, flags=re.MULTILINE)
    return "\n" + "".join(sections)
