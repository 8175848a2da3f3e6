"""A contact sheet: rows of small pictures, enlarged and labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

MARGIN = 12
LABEL = 28  # height of a line of text
FONT_SIZE = 16


def contact_sheet(
    columns: Sequence[str], rows: Mapping[str, Sequence[NDArray[np.uint8]]], *, scale: int = 3
) -> NDArray[np.uint8]:
    """Pictures (H, W, 3) of one size, a row a name, under the columns' names: (H', W', 3).

    Each pixel becomes a square of `scale` pixels: nothing is smoothed that the eye should judge.
    """
    height, width = (scale * side for side in next(iter(rows.values()))[0].shape[:2])
    font = ImageFont.load_default(FONT_SIZE)
    sheet = Image.new(
        "RGB",
        (MARGIN + (width + MARGIN) * len(columns), LABEL + (LABEL + height + MARGIN) * len(rows)),
        "white",
    )
    draw = ImageDraw.Draw(sheet)
    for i, column in enumerate(columns):
        draw.text((MARGIN + (width + MARGIN) * i, 6), column, fill="black", font=font)
    for j, (row, pictures) in enumerate(rows.items()):
        top = LABEL + (LABEL + height + MARGIN) * j
        draw.text((MARGIN, top + 4), row, fill="black", font=font)
        for i, picture in enumerate(pictures):
            enlarged = Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST)
            sheet.paste(enlarged, (MARGIN + (width + MARGIN) * i, top + LABEL))
    return np.asarray(sheet)
