"""What the house asks of a generator G, a discriminator D and an encoder E, whoever made them.

Inside the networks a pixel lies in [-1, 1], the range of tanh; `to_unit` and `to_signed` lead to [0, 1] and back.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.overrides import TorchFunctionMode

from faceinpaint_fast.errors import InputError

Network = TypeVar("Network")


class Generator(Protocol):
    """Any module that draws images from latent codes: (B, latent_size) -> (B, 3, H, W) in [-1, 1].

    In eval mode an image must depend on its own z alone.  One that has `stages`, modules that are the generator one
    after the other, offers what leaves each of them but the last, of any shape (B, ...), to be searched over.
    """

    latent_size: int

    def __call__(self, z: Tensor, /) -> Tensor:
        """Returns the images of codes z."""


class Discriminator(Protocol):
    """Any module that judges images: (B, 3, H, W) in [-1, 1] -> logit (B,), positive for "real"."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """Returns the logits of images x."""


class Encoder(Protocol):
    """Any module that guesses latent codes from what is `visible` of images: (B, 4, H, W) -> (B, latent_size)."""

    def __call__(self, seen: Tensor, /) -> Tensor:
        """Returns the codes that it guesses."""


class Pullback(Protocol):
    """What takes the gradient in f(x), once, to the gradient in x.

    It is added to another gradient `onto`, where there is one, and may take that one's place.
    """

    def __call__(self, gradient: Tensor, /, onto: Tensor | None = None) -> Tensor:
        """Returns the gradient in x, and `onto`."""


class Differentiable(Protocol):
    """A network, float32 at its ends, (B, ...) to (B, ...)."""

    batch_invariant: bool
    """Whether an image's bits are the same in batches of any size."""

    def __call__(self, x: Tensor, /) -> tuple[Tensor, Pullback]:
        """Returns f(x), and what leads a gradient back."""


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """A place behind one of a generator's layers, whose activations u can be searched over: rows (B, n), float32.

    into    takes what stands at the cut before, at the first the codes, to u
    onward  the generator from here on: u (B, n) -> images
    shaped  takes u (B, n) to the shape that the generator's own modules give it, (B, ...)
    """

    into: Callable[[Tensor], Tensor]
    onward: Differentiable
    shaped: Callable[[Tensor], Tensor]


def to_unit(x: Tensor) -> Tensor:
    """Returns pixels of [-1, 1] in [0, 1]."""
    return (x + 1) / 2


def to_signed(x: Tensor) -> Tensor:
    """Returns pixels of [0, 1] in [-1, 1]."""
    return 2 * x - 1


def visible(images: Tensor, known: Tensor) -> Tensor:
    """Returns what an encoder sees of images (B, 3, H, W) in [0, 1], known (B, H, W) where 1: (B, 4, H, W).

    That is the image in [-1, 1], 0 where it is missing, and `known`.
    """
    known = known.unsqueeze(1)
    return torch.cat([to_signed(images) * known, known], dim=1)


def frozen(network: Network, device: torch.device, name: str = "network") -> Network:
    """Returns a copy for inference alone: in eval mode, without gradients in its weights, of the dtype that it has.

    The caller may be training the original.  Raises InputError, which calls it by its name, for what is no torch module
    and for one that cannot be copied to the device.
    """
    if not isinstance(network, nn.Module):
        raise InputError(f"{name}: expected a torch module, got {type(network).__name__}")
    try:
        with _Detached():
            copied = copy.deepcopy(network).to(device)
        _bake(copied.eval())
    except (RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{name}: expected a module that can be copied to {device}, got: {error}") from error
    return copied.requires_grad_(False)


def _bake(network: nn.Module) -> None:
    """Leaves the weights that parametrizations compute in their place: torch pickles no network that has any."""
    for module in list(network.modules()):
        if parametrize.is_parametrized(module):
            weights = {name: getattr(module, name).detach() for name in module.parametrizations}  # type: ignore[union-attr]
            # not by torch's own removal, which takes them from the class that the original has too
            module.__class__ = type(module).__bases__[0]
            del module.parametrizations
            # weight_norm's, which cannot be pickled either, looks for what is gone
            module._load_state_dict_pre_hooks = OrderedDict()
            for name, weight in weights.items():
                module.register_parameter(name, nn.Parameter(weight, requires_grad=False))


class _Detached(TorchFunctionMode):
    """Copies as numbers what a network has computed, as spectral_norm its weight: of a graph torch copies no part."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.__deepcopy__ and not args[0].is_leaf:
            return args[0].detach().clone()
        return func(*args, **(kwargs or {}))
