"""Bring your own generator, here mixtures of 128 faces.  To run: python examples/own_generator.py --out restored.png"""

import argparse
from pathlib import Path

import torch

from faceinpaint_fast import Inpainter, images, masks
from faceinpaint_fast.evaluation import metrics
from faceinpaint_fast.faces import astronaut
from faceinpaint_fast.models import load_model
from faceinpaint_fast.pictures import contact_sheet as sheet


class Mixture(torch.nn.Module):
    def __init__(self, faces: torch.Tensor) -> None:
        super().__init__()
        self.latent_size, self.mean = len(faces), torch.nn.Buffer(faces.mean(dim=0))
        self.differences = torch.nn.Buffer((faces - self.mean) / len(faces) ** 0.5)

    def forward(self, z: torch.Tensor) -> torch.Tensor:  # z from N(0, 1), (B, latent_size) -> (B, 3, H, W) in [-1, 1]
        return self.mean + torch.tensordot(z, self.differences, dims=1)


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--out", type=Path, default="restored.png", help="the picture to write: filled, restored, original")
model = load_model()
face = astronaut(model.config.framing, model.config.size)
hole = masks.centre(face.shape[:2])
faces = model.generator(torch.randn(128, model.config.latent_size, generator=torch.Generator().manual_seed(0)))
restored = Inpainter(Mixture(faces), model.discriminator)(face, hole).image  # or any module of yours that judges
filled = (face * ~hole[..., None] + face[~hole].mean(axis=0) * hole[..., None]).astype("uint8")
for name, image in (("mean colour", filled), ("restored", restored)):
    print(f"{name}: {metrics.quality(image / 255, face / 255, hole).hole_psnr:.2f} dB in the hole")
images.write_image(parser.parse_args().out, sheet.contact_sheet([""] * 3, {"": [filled, restored, face]}))
