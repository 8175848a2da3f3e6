"""An iteration of the search as users of torch would write it."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from faceinpaint_fast.benchmarks.asked import centre_hole, codes, model, random_images
from faceinpaint_fast.benchmarks.losses import eager_ssim
from faceinpaint_fast.models import DEFAULT
from faceinpaint_fast.search.graph import aside, captured
from faceinpaint_fast.weight_map import weight_map


def eager_iteration(
    device: torch.device, count: int, *, with_d: bool = True, name: str = DEFAULT
) -> tuple[Callable[[], Any], Callable[[], Tensor]]:
    """Returns an iteration as a user would write it, and its losses (B,).

    Autograd goes through networks that are not frozen, those of the model of that name, and Adam is torch's.
    """
    G, D = (
        network.to(device).eval().requires_grad_(True) for network in (model(name).generator, model(name).discriminator)
    )
    hole = centre_hole(name)
    images, known = random_images(count, name).to(device), torch.from_numpy(~hole).to(device)
    W = (known * torch.from_numpy(weight_map(hole)).to(device)).expand(count, 1, -1, -1)
    z = codes(count, name)[0].to(device).requires_grad_()
    adam = torch.optim.Adam([z], lr=0.03)
    similarity = eager_ssim()

    def total() -> Tensor:
        x = (G(z) + 1) / 2
        adversarial = torch.log(1 - torch.sigmoid(D(2 * x - 1))) if with_d else torch.zeros((), device=device)
        context = (W * (x - images)).abs().sum(dim=(1, 2, 3)) / (3 * W[0].sum())
        return 0.003 * adversarial + 0.2 * context + 0.797 * (1 - similarity(W * x, W * images))

    def once() -> None:
        adam.zero_grad()
        total().sum().backward()
        adam.step()

    return once, total


def captured_iteration(device: torch.device, count: int) -> Callable[[], None]:
    """Returns an iteration with D as the most careful user would have it, a CUDA graph of torch's own operations."""
    modules = (deepcopy(module).to(device) for module in (model().generator, model().discriminator))
    G, D = (m.to(memory_format=torch.channels_last).eval().requires_grad_(False) for m in modules)  # type: ignore[call-overload]
    hole = centre_hole()
    images, known = random_images(count).to(device), torch.from_numpy(~hole).to(device)
    W = known * torch.from_numpy(weight_map(hole)).to(device)
    z = codes(count)[0].to(device).requires_grad_()
    adam = torch.optim.Adam([z], lr=0.03, capturable=True, fused=True)
    similarity, seen = eager_ssim(device), W * images

    def once() -> None:
        adam.zero_grad(set_to_none=False)
        with torch.autocast(device.type, torch.bfloat16):
            x = G(z)
            logit = D(x)
        x = (x.float() + 1) / 2
        context = (W * (x - images)).abs().sum(dim=(1, 2, 3)) / (3 * W.sum())
        adversarial = logsigmoid(-logit.float())
        (0.003 * adversarial + 0.2 * context + 0.797 * (1 - similarity(W * x, seen))).sum().backward()
        adam.step()

    for _ in range(3):
        aside(once)
    return captured(once)
