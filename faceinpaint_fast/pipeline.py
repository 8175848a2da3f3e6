"""The whole method: the search for z^ in what is known of an image, T = G(z^), and T blended into the hole."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic

import numpy as np
import torch
from torch import Tensor

from faceinpaint_fast import masks
from faceinpaint_fast.arrays import (
    Array,
    cupy_device,
    expect_no_gradient,
    on_stream,
    pick_device,
    rows_of,
    to_numpy,
    to_torch,
    torch_on_one_thread,
    where_it_lies,
)
from faceinpaint_fast.batches import ImageBatch, damaged_of, seeds_of, spreads_of
from faceinpaint_fast.blend.doors import blended, equation_of
from faceinpaint_fast.checks import whole
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.models import Model, load_model
from faceinpaint_fast.networks.protocols import Discriminator, Encoder, Generator, frozen
from faceinpaint_fast.search.latent_search import TERMS, Found, LatentSearch, together
from faceinpaint_fast.search.networks import Networks
from faceinpaint_fast.search.problem import Problem
from faceinpaint_fast.stream import PIXELS, Piece, at_work, pieces, streamed
from faceinpaint_fast.symmetry import mirrored

# OpenMP's threads do not live on in a forked process, and a loop that torch shares out would wait for them for ever
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))


@dataclass(frozen=True, slots=True)
class Inpainting(Generic[Array]):
    """The result of a restoration: the kind of array that went in, batched as it was, pictures in its layout and dtype.

    image      F, the restored image: the input's known pixels bit for bit, the rest blended
    generated  T, the best generated image; with flips the mean of both, with symmetry mirrored pixels in it
    z          z^, (latent_size,) or (B, latent_size), float32; where z is not searched, the code that the search beyond
               it began at
    activations
               u^, those behind the last layer of G that was searched, (B, ...) or without B, float32, as G's modules
               have them; none where z alone is searched
    losses     where the search ended, each () or (B,): "discriminator" (Eq. 3), "context" (Eq. 6), "structural"
               (Eq. 5), "prior" (of the activations, or of z), "total" (Eq. 8)
    """

    image: Array
    generated: Array
    z: Array
    activations: Array | None
    losses: dict[str, Array]

    def each(self) -> Iterator[Inpainting[Array]]:
        """Yields the result of each image of a batch: views of this one's arrays."""
        count = len(self.z)  # type: ignore[arg-type]
        fields = (self.image, self.generated, self.z, self.activations, *self.losses.values())
        for image, generated, z, activations, *losses in zip(*(rows_of(field, count) for field in fields), strict=True):
            of_image = dict(zip(self.losses, losses, strict=True))
            yield Inpainting(image=image, generated=generated, z=z, activations=activations, losses=of_image)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """What a caller asks for, where it is worked at.

    batch    the caller's images
    damaged  (B, H, W, C) in [0, 1], 0 where missing
    missing  (B, H, W)
    seeds    one an image
    spreads  of first starts around their guesses, one an image
    start    codes (B, latent_size) that the searches shall begin at, if any
    """

    batch: ImageBatch
    damaged: Any
    missing: Any
    seeds: Sequence[int]
    spreads: Sequence[float]
    start: Tensor | None


class Inpainter:
    """Restores missing parts of images by the method of Qiang et al. 2019 with a generator and a discriminator.

    generator      module with a `latent_size`, (B, latent_size) -> (B, 3, H, W) in [-1, 1]: `protocols.Generator`
    discriminator  module, (B, 3, H, W) in [-1, 1] -> logit (B,): `protocols.Discriminator`
    encoder        module, (B, 4, H, W) -> (B, latent_size), the code guessed from what is known: `protocols.Encoder`;
                   without it a search starts at random, whatever the config says
    config         what to do, by default what works best; without an encoder, and with a generator that has no
                   `stages`, it becomes `InpaintConfig.over_z_alone`
    device         "auto" is CUDA where there is a device, else the CPU

    The modules are copied, and compute in the dtype that they have; the originals stay as they are.  An Inpainter may
    be called from several threads at once, and be pickled and copied: modules, config and device travel.
    On a CUDA device it keeps graphs of the batch sizes that it has met, and its searches wait for each other.
    """

    def __init__(
        self,
        generator: Generator,
        discriminator: Discriminator,
        *,
        encoder: Encoder | None = None,
        config: InpaintConfig = InpaintConfig(),  # noqa: B008 - frozen
        device: str | torch.device = "auto",
    ) -> None:
        if not hasattr(generator, "latent_size"):
            raise InputError(f"generator: expected a module with a latent_size, got {type(generator).__name__}")
        _expect_config(config)
        if config.normalization == "model":
            raise InputError("normalization: expected bounds, masked or none for networks without a model, got 'model'")
        self.device = pick_device(device)
        # weights of inference mode could not be differentiated through
        with torch.inference_mode(False):
            self.generator = frozen(generator, self.device, "generator")
            self.discriminator = frozen(discriminator, self.device, "discriminator")
            self.encoder = None if encoder is None else frozen(encoder, self.device, "encoder")
            self._networks = Networks.of(self.generator, self.discriminator, self.encoder, config, self.device)
            self.config = config = self._networks.carried_out(config)
            self._search = LatentSearch(self._networks, config, self.device)
            self._equation = equation_of(config.at_size(self._networks.image_shape[1]))
        # on a CUDA device layers leave partial sums in memory of their own, and a search ends when it has been done
        self._one_at_a_time: Any = threading.Lock() if self.device.type == "cuda" else contextlib.nullcontext()

    def __reduce__(self) -> tuple[Any, ...]:
        """Returns what makes another one of it, which packs its kernels anew and has locks of its own."""
        again = partial(type(self), encoder=self.encoder, config=self.config, device=self.device)
        return again, (self.generator, self.discriminator)

    def __deepcopy__(self, memo: Any) -> Inpainter:
        # networks are copied where it is made
        again, networks = self.__reduce__()
        return again(*networks)

    @classmethod
    def from_pretrained(
        cls,
        model: Path | str | None = None,
        *,
        config: InpaintConfig = InpaintConfig(),  # noqa: B008 - frozen
        device: str | torch.device = "auto",
    ) -> Inpainter:
        """Makes an Inpainter of a model by its name, such as "faces64", the default, or of a model folder.

        Raises ModelError for a model that is damaged, and for none.
        """
        return cls.of(load_model(model), config=config, device=device)

    @classmethod
    def of(cls, model: Model, *, config: InpaintConfig, device: str | torch.device = "auto") -> Inpainter:
        """Makes an Inpainter of a model that has been loaded; InputError where the config asks for bounds it lacks."""
        if not isinstance(model, Model):
            raise InputError(f"model: expected a Model, got {type(model).__name__}")
        _expect_config(config)
        config = model.resolved(config)
        return cls(model.generator, model.discriminator, encoder=model.encoder, config=config, device=device)

    def iterating(self, iterations: int) -> Inpainter:
        """Returns an Inpainter of the same networks that goes so many iterations over z, and else as this one does.

        Nothing is loaded or packed again; on a CUDA device it has graphs of its own, and the searches of both wait for
        each other.
        """
        other = object.__new__(type(self))
        vars(other).update(vars(self))
        other.config = replace(self.config, iterations=iterations)
        other._search = LatentSearch(self._networks, other.config, self.device)
        return other

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Channels, rows and columns of the images that the generator draws."""
        return self._networks.image_shape

    def warm_up(self, batch: int = 1) -> None:
        """Does beforehand what the first call with a batch of this size would: pack weights, compile, capture graphs.

        It restores such a batch, and takes as long.  Later calls of that size compile nothing, and on a CUDA device the
        search takes no more memory from it.
        """
        batch = whole(batch, "batch", least=1)
        channels, height, width = self._networks.image_shape
        images = np.zeros((batch, height, width, channels), np.float32)
        self(images, masks.random_pixels((height, width), 0.5))
        # the blend has another way for a rectangle
        rectangle = np.broadcast_to(masks.centre((height, width)), (batch, height, width))
        blended(images, images, rectangle, self._equation)

    def __call__(
        self,
        images: Array,
        holes: Any,
        *,
        seed: int | Sequence[int] = 0,
        spread: float | Sequence[float] = 0.0,
        start: Any = None,
        progress: Callable[[float], None] = lambda _: None,
    ) -> Inpainting[Array]:
        """Restores `images` where `holes` are missing.

        images    float in [0, 1] or uint8, of the generator's size; NumPy (H, W, 3) or (B, H, W, 3), torch (3, H, W)
                  or (B, 3, H, W); what they hold inside the hole does not matter
        holes     (H, W), for all images, or (B, H, W); missing where True, float >= 0.5, uint8 >= 128; equal channels
                  behind that, as cv2 and PIL have them, are one
        seed      of starts that are drawn: all where there is no guess, else those of further `restarts`, and of what
                  begins again; one for all images, or one an image, of which alone an image's result depends
        spread    how far an image's first start lies from its guess, in standard deviations, 0 to 1; by default it is
                  the guess, which is best, and the same for every seed; for all images, or one an image
        start     where each image's first start is instead: a code, (latent_size,), for all images, or one an image,
                  (B, latent_size), of any library; or a former result, whose z it is.  What the search minimises, and
                  whatever begins again, stays as it would be
        progress  hears the share that is done, up to 1

        Floats that rounding has left outside [0, 1] are clipped.  Raises InputError for what does not fit, tensors that
        want a gradient among it, as there is none through a search; ModelError, naming the image, if its loss cannot be
        kept finite.  Warns of a hole without a pixel: that image comes back as it is.
        """
        expect_no_gradient(images, "images")
        with torch.inference_mode(False), on_stream(self.device):
            asked = self._asked(images, holes, seed, start, spread)
            return self._restored(asked, self._found(asked, progress))

    def stream(
        self,
        images: Array | Iterable[Array],
        holes: Any,
        *,
        seed: int | Iterable[int] = 0,
        batch: int | None = None,
    ) -> Iterator[Inpainting[Array]]:
        """Restores any number of images, and yields the result of each, in their order.

        images  (B, H, W, 3), or torch's (B, 3, H, W), or an iterable of images, of which never more than a few pieces
                are held; on a CUDA device a thread asks for them
        holes   (H, W), for all images, (B, H, W), or an iterable of one an image, which may go on for ever
        seed    one for all images, or an iterable of one an image, which may go on for ever
        batch   the most images of a piece, by default what keeps the device busy; half of it where memory runs out

        A piece's results are those of a call with it, as views of the piece's arrays; with `batch_invariant` its size
        changes no bit.  On a CUDA device the next piece is brought there, and the last one blended and brought back,
        while one is searched.

        Raises what a call would, with the image's number in the stream, behind the results of all images before it.
        """
        expect_no_gradient(images, "images")
        _, height, width = self.image_shape
        usual = max(1, PIXELS["cuda" if self.device.type == "cuda" else "cpu"] // (height * width))
        sizes = [usual if batch is None else whole(batch, "batch", least=1)]

        def asked(piece: Piece) -> _Asked:
            return self._asked(*piece.batch(), start=None)

        def found(asked: _Asked) -> tuple[_Asked, Found]:
            return asked, self._found(asked, lambda _: None)

        stages = [at_work(do, self.device) for do in (asked, found, lambda both: self._restored(*both))]
        cut = pieces(images, holes, seed, lambda: sizes[-1])
        done = streamed(
            cut, stages, lambda failed: sizes.append(min(sizes[-1], failed // 2)), overlap=self.device.type == "cuda"
        )
        return (one for each in done for one in each.each())

    def _asked(self, images: Any, holes: Any, seed: Any, start: Any, spread: Any = 0.0) -> _Asked:
        """Returns what is asked for, checked; on a CUDA device it lies there, if CuPy is installed."""
        to = cupy_device(self.device)
        batch = ImageBatch.of(images, "images", to=to)
        self._expect_size(batch)
        damaged, missing = damaged_of(batch, holes, to=to)
        seeds, spreads = seeds_of(seed, len(damaged)), spreads_of(spread, len(damaged))
        return _Asked(batch, damaged, missing, seeds, spreads, self._start(start, batch))

    def _restored(self, asked: _Asked, found: Found) -> Inpainting[Any]:
        """Returns the result of a search: what was found blended into the images, as the caller has them."""
        batch, damaged, missing = asked.batch, asked.damaged, asked.missing
        z, generated, losses = (where_it_lies(each) for each in (found.z, found.generated, found.losses))
        u = None if found.activations is None else where_it_lies(found.activations.contiguous())
        generated = np.moveaxis(generated, 1, -1)
        if self.config.symmetry:
            generated = mirrored(damaged, missing, generated)
        return Inpainting(
            image=batch.filled(blended(damaged, generated, missing, self._equation).clip(0, 1), missing),
            generated=batch.laid_out(batch.rounded(generated)),
            z=batch.like(z),
            activations=None if u is None else batch.like(u),
            losses={name: batch.like(loss) for name, loss in zip(TERMS, losses.T, strict=True)},
        )

    def _expect_size(self, batch: ImageBatch) -> None:
        _, height, width, channels = batch.pixels.shape
        if (channels, height, width) != self._networks.image_shape:
            channels, height, width = self._networks.image_shape
            shape = ", ".join(map(str, (channels, height, width) if batch.planar else (height, width, channels)))
            raise InputError(
                f"images: expected {height}x{width} pixels with {channels} channels, the generator's size, in shape "
                f"({shape}) or (B, {shape}), got {batch.shape}"
            )

    def _start(self, start: Any, batch: ImageBatch) -> Tensor | None:
        """Returns the codes (B, latent_size) that the searches shall begin at, if any; InputError for what is none."""
        if start is None:
            return None
        given = start.z if isinstance(start, Inpainting) else start
        expect_no_gradient(given, "start")
        codes = to_numpy(given, "start")
        n = self._networks.latent_size
        expected = [(n,)] + ([] if batch.count is None else [(batch.count, n)])
        if codes.shape not in expected or not np.issubdtype(codes.dtype, np.floating):
            shapes = " or ".join(map(str, expected))
            raise InputError(f"start: expected float of shape {shapes}, got {codes.dtype} of {codes.shape}")
        codes = codes.astype(np.float32)
        if not np.isfinite(codes).all():
            raise InputError("start: expected numbers that float32 holds, got NaN or Inf")
        return to_torch(np.broadcast_to(codes, (len(batch.pixels), n)), self.device)

    def _found(self, asked: _Asked, progress: Callable[[float], None]) -> Found:
        """Returns what the search finds, in parts where their size would change bits."""
        images = to_torch(np.moveaxis(asked.damaged, -1, 1).astype(np.float32), self.device)
        holes = to_torch(asked.missing, self.device)
        count = len(images)
        # a batch of another size may run other kernels, whose sums round otherwise
        size = 1 if self.config.batch_invariant and not self._networks.batch_invariant else count

        def part_from(first: int) -> Found:
            part = slice(first, first + size)
            problem = Problem.of(images[part], holes[part], self._networks, self.config)

            def heard(share: float) -> None:
                progress((first + share * size) / count)

            start = None if asked.start is None else asked.start[part]
            spreads = asked.spreads[part]
            return self._search(problem, asked.seeds[part], start=start, spreads=spreads, first=first, progress=heard)

        small = self.device.type == "cpu" and self._networks.are_packed
        with self._one_at_a_time, torch_on_one_thread() if small else contextlib.nullcontext():
            return together([part_from(first) for first in range(0, count, size)])


def _expect_config(config: Any) -> None:
    if not isinstance(config, InpaintConfig):
        raise InputError(f"config: expected an InpaintConfig, got {config!r}")
