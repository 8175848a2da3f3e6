"""Draws docs/photo.png: a photograph damaged, restored and as it was.  `python docs/photo_figure.py PHOTOGRAPH`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from faceinpaint_fast import Restorer
from faceinpaint_fast.evaluation.photo_holes import draw
from faceinpaint_fast.images import read_image, write_image
from faceinpaint_fast.pictures.photographs import strip

HOLES = {"thick scratch": 3, "one eye": 0}  # each with its seed


def main() -> None:
    photo = read_image(Path(sys.argv[1]))
    restorer = Restorer.from_pretrained()
    frame = restorer.frame(restorer.find(photo)[0])
    hole = np.any([draw(name, frame, photo.shape[:2], seed) for name, seed in HOLES.items()], axis=0)
    damaged = np.where(hole[..., None], np.uint8(255), photo)
    write_image(Path(__file__).with_name("photo.png"), strip([damaged, restorer(damaged, hole).image, photo]))


if __name__ == "__main__":
    main()
