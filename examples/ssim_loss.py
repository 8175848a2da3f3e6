"""The SSIM op alone, as the loss of a training loop: a small network learns to take the noise off a photograph.

It learns on crops of one photograph, by 1 - SSIM, and is judged on another.  To run, for a few seconds:

    python examples/ssim_loss.py
"""

import torch
from skimage import data
from torch import Tensor, nn

from faceinpaint_fast import ssim

STEPS, BATCH, SIDE = 100, 8, 40


def noisy(images: Tensor) -> Tensor:
    return images + 0.1 * torch.randn_like(images)


def random_crops(image: Tensor) -> Tensor:
    """(3, H, W) -> (BATCH, 3, SIDE, SIDE)."""
    corners = [[int(torch.randint(side - SIDE + 1, ())) for side in image.shape[1:]] for _ in range(BATCH)]
    return torch.stack([image[:, top : top + SIDE, left : left + SIDE] for top, left in corners])


class Denoiser(nn.Module):
    """(..., 3, H, W) -> (..., 3, H, W): what to add to an image comes from two layers of convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.Conv2d(16, 3, 5, padding=2))

    def forward(self, images: Tensor) -> Tensor:
        return images + self.layers(images)


torch.manual_seed(0)
# (3, H, W) float in [0, 1]: what `ssim` takes, one image or a batch, at its data_range of 1
to_learn_from, to_judge_by = (torch.tensor(image).movedim(-1, 0) / 255 for image in (data.astronaut(), data.chelsea()))
seen = noisy(to_judge_by)
network = Denoiser()
optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)

with torch.no_grad():
    before = ssim(network(seen), to_judge_by)
for _ in range(STEPS):
    clean = random_crops(to_learn_from)
    # one SSIM an image; how a batch is summed up is the caller's choice
    loss = 1 - ssim(network(noisy(clean)), clean).mean()
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
with torch.no_grad():
    after = ssim(network(seen), to_judge_by)

print(f"SSIM of the noisy image {ssim(seen, to_judge_by):.3f}")
print(f"of the network's, before training {before:.3f}, after {after:.3f}")
