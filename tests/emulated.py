"""What must work on any processor, for `make test-levels`: import, W, a blend, SSIM with its gradient."""

import numpy as np
import torch

from faceinpaint_fast import doctor, masks, poisson_blend, reference, ssim, weight_map

rng = np.random.default_rng(0)
hole = masks.centre((48, 48))
np.testing.assert_allclose(weight_map(hole), reference.weight_map(hole), rtol=1e-6)

image = rng.random((48, 48, 3)).astype(np.float32)
assert np.abs(poisson_blend(image, image, hole) - image).max() < 1 / 255

x, y = (torch.from_numpy(rng.random((1, 3, 48, 48))).requires_grad_() for _ in range(2))
assert torch.autograd.gradcheck(ssim, (x[..., :16, :16], y[..., :16, :16]))

print(doctor.kernels())
