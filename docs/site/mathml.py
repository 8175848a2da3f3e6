"""Equations as MathML, which every browser of today draws without a script and a screen reader reads."""

from docutils.nodes import SkipNode
from latex2mathml.converter import convert


def inline(writer, node):
    writer.body.append(convert(node.astext()))
    raise SkipNode


def block(writer, node):
    writer.body.append(f'<div class="equation">{convert(node.astext(), display="block")}</div>\n')
    raise SkipNode
