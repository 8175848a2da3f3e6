"""The site: Sphinx over the repository's own Markdown, so that a link leads to the same page there and here.

The source folder is the repository's root, from which the pages in `PAGES` are taken; toc.yml is the navigation.
Nothing is fetched when it is built, nor by a page that was built: fonts are the reader's, equations MathML.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import commands
import docstrings
import mathml
import measured

import faceinpaint_fast

PAGES = [
    "docs/**.md",
    "benchmarks/results/*.md",
    "examples/*/README.md",
    "faceinpaint_fast/weights/*/README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "SECURITY.md",
]

project = "faceinpaint_fast"
author = "The maintainers of faceinpaint_fast"
copyright = "the maintainers of faceinpaint_fast, under the Apache License 2.0"  # noqa: A001 - Sphinx's word
version = release = faceinpaint_fast.__version__

extensions = ["myst_parser", "sphinx_external_toc", "sphinx.ext.autodoc"]
include_patterns = PAGES
# not searched
exclude_patterns = [".*", "build", "evidence", "out", "tests", "csrc", "**/__pycache__", "**/node_modules"]
external_toc_path = "docs/site/toc.yml"
templates_path = ["templates"]

myst_enable_extensions = ["dollarmath"]
# headings that a link may lead to, as GitHub has them
myst_heading_anchors = 3
# quotes and dashes as they were typed: an option has two hyphens
smartquotes = False

# a docstring's parts, in the order of their file
autodoc_member_order = "bysource"
# defaults as they are written
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
default_role = "code"

html_theme = "furo"
html_title = f"faceinpaint_fast {release}"
html_copy_source = False
html_show_sphinx = False
# the first page stands at the root, too
html_additional_pages = {"index": "first_page.html"}
html_math_renderer = "mathml"
# the colours of code, in light and dark; both are furo's advice for contrast
pygments_style, pygments_dark_style = "a11y-high-contrast-light", "a11y-high-contrast-dark"


def setup(app):
    app.connect("autodoc-process-docstring", docstrings.on_docstring)
    app.connect("source-read", commands.on_page)
    app.connect("source-read", measured.on_page)
    app.add_html_math_renderer("mathml", (mathml.inline, None), (mathml.block, None))
