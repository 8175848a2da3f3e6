"""A contact sheet: rows of small pictures, enlarged and labelled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SHOWN = 192  # pixels of a picture's height, rounded to whole squares
PAGE = 1000  # pixels of a sheet's width that a page shows as they are, labels too
MARGIN = 12
LABEL = 28  # height of a line of text
FONT_SIZE = 16
FRAME = (192, 192, 192)  # around each picture


def contact_sheet(
    columns: Sequence[str],
    rows: Mapping[str, Sequence[NDArray[np.uint8]]],
    *,
    captions: Mapping[str, Sequence[str]] | None = None,
    title: str = "",
    deep: int | None = None,
    shown: int = SHOWN,
) -> NDArray[np.uint8]:
    """Returns pictures (H, W, 3), or grey (H, W), of one size under the columns' names, a row a name: (H', W', 3).

    Each pixel becomes a square of pixels, so many that a picture is about `shown` of them high, or fewer where a page
    would not hold the sheet: nothing is smoothed that the eye should judge.

    captions  a line below each picture of the rows, if any
    title     a line above all, if any
    deep      so many rows stand below each other, by default all; the next ones go beside them
    """
    height, width = next(iter(rows.values()))[0].shape[:2]
    deep = deep or len(rows)
    blocks = -(-len(rows) // deep)
    widest = PAGE // (blocks * len(columns)) - 2 * MARGIN
    scale = max(1, min(shown // height, widest // width))
    height, width = scale * height, scale * width
    block_width = MARGIN + (width + MARGIN) * len(columns)
    header, footer = LABEL if title else 0, LABEL if captions else MARGIN
    line = LABEL + height + footer
    sheet = Image.new("RGB", (block_width * blocks, header + LABEL + line * deep), "white")
    draw = ImageDraw.Draw(sheet)

    def write(text: str, left: int, top: int, size: int = FONT_SIZE) -> None:
        draw.text((left, top), text, fill="black", font=ImageFont.load_default(size))

    if title:
        write(title, MARGIN, 6, FONT_SIZE + 4)
    for block in range(blocks):
        for i, column in enumerate(columns):
            write(column, block_width * block + MARGIN + (width + MARGIN) * i, header + 6)
    for j, (row, pictures) in enumerate(rows.items()):
        left, top = block_width * (j // deep) + MARGIN, header + LABEL + line * (j % deep)
        write(row, left, top + 4)
        for i, picture in enumerate(pictures):
            x, y = left + (width + MARGIN) * i, top + LABEL
            # a white hole at the border would run into the page
            draw.rectangle((x - 1, y - 1, x + width, y + height), outline=FRAME)
            sheet.paste(Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST), (x, y))
            if captions:
                write(captions[row][i], x, y + height + 2)
    return np.asarray(sheet)
