"""Bring your own generator, here mixtures of 100 faces.  To run: python examples/own_generator.py --out restored.png"""

import argparse

import numpy as np
from skimage import data, io, transform
from torch import Tensor, nn, tensor

from faceinpaint_fast import Inpainter, masks


class Mixture(nn.Module):  # each channel is a face in grey: their mean, and what each differs from it by times a code
    def __init__(self, faces: Tensor) -> None:
        super().__init__()
        self.latent_size, self.mean = 3 * len(faces), nn.Buffer(faces.mean(dim=0))
        self.differences = nn.Buffer((faces - self.mean) / len(faces) ** 0.5)

    def forward(self, z: Tensor) -> Tensor:  # codes from N(0, 1), (B, latent_size) -> (B, 3, H, W) in [-1, 1]
        return (self.mean + z.view(len(z), 3, -1) @ self.differences).view(-1, 3, 25, 25)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", default="restored.png", help="the picture to write: filled, restored, original")
judge = nn.Sequential(nn.Flatten(), nn.Linear(3 * 25 * 25, 1), nn.Flatten(0))  # any will do: by default lambda_d is 0
inpainter = Inpainter(Mixture(2 * tensor(data.lfw_subset()[:100]).float().flatten(1) - 1), judge)
face, hole = transform.resize(data.astronaut()[60:170, 170:280], (25, 25), anti_aliasing=True), masks.centre((25, 25))
restored, filled = inpainter(face, hole).image, np.where(hole[..., None], face[~hole].mean(axis=0), face)
for name, image in (("mean colour", filled), ("restored", restored)):
    print(f"{name}: {-10 * np.log10(np.mean((image - face)[hole] ** 2)):.2f} dB in the hole")
io.imsave(parser.parse_args().out, np.uint8(255 * np.hstack([filled, restored, face]) + 0.5).repeat(8, 0).repeat(8, 1))
