"""Any number of images, restored in pieces that fit the memory: on a CUDA device three stages work on three pieces.

One thread asks for images and brings them to the device, one searches, and one blends and brings results back, each on
a CUDA stream of its own; each is a piece ahead of the next at most.  On a CPU, where a search has all threads, a piece
goes through all stages before the next one begins.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from functools import partial
from itertools import islice, repeat
from typing import Any

import numpy as np
import torch

from faceinpaint_fast.ahead import Ahead
from faceinpaint_fast.arrays import (
    expect_no_gradient,
    is_cupy,
    is_torch,
    module_of,
    on_stream,
    on_stream_of,
    out_of_memory,
    to_numpy,
    where_it_lies,
)
from faceinpaint_fast.batches import hole_of
from faceinpaint_fast.errors import InputError, ModelError
from faceinpaint_fast.masks import plane

# of a piece's images, where nothing else is asked for: 1024 of 64x64, the most that is searched at once, and 64
PIXELS = {"cuda": 2**22, "cpu": 2**18}

Stage = Callable[[Any], Any]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Images that follow one another, with their holes and seeds: arrays (B, ...), or lists of what an iterator gave.

    first  the number of the first of them in the stream
    """

    first: int
    images: Any
    holes: Any
    seeds: Any

    def part(self, part: slice) -> Piece:
        """Returns some of it."""
        start, _, _ = part.indices(len(self.images))
        return Piece(self.first + start, self.images[part], self.holes[part], self.seeds[part])

    def batch(self) -> tuple[Any, Any, list[Any]]:
        """Returns what an Inpainter takes: images (B, ...), holes (B, H, W), seeds."""
        images, holes = self.images, self.holes
        if isinstance(images, list):
            for image in images:
                expect_no_gradient(image, "images")
            images = _stacked(images, "images")
        if isinstance(holes, list):
            # of one kind they stay where they lie
            alike = getattr(holes[0], "ndim", None) == 2 and len({_kind(hole) for hole in holes}) == 1
            holes = _stacked(holes, "hole") if alike else np.stack([hole_of(hole) for hole in holes])
        return images, holes, list(self.seeds)


def pieces(images: Any, holes: Any, seed: Any, most: Callable[[], int]) -> Iterator[Piece]:
    """Yields the images of an array or an iterable as pieces of `most` images, or of fewer, as they are alike.

    images  (B, ...), or an iterable of images
    holes   (H, W), for all images, (B, H, W), or an iterable of one an image; it may go on for ever
    seed    one for all images, or an iterable of one an image

    Raises InputError for arrays that differ in their number of images, and where holes or seeds come to an end.
    """
    if _is_array(holes):
        with on_stream_of(holes):
            holes = plane(where_it_lies(holes, "holes"), planar=is_torch(holes))
        if holes.ndim not in (2, 3):
            raise InputError(f"holes: expected shape (H, W) or (B, H, W), got {holes.shape}")
    if _is_array(seed):
        seed = to_numpy(seed, "seed").reshape(-1).tolist()
    one_hole = _is_array(holes) and holes.ndim == 2
    one_seed = not isinstance(seed, Iterable) or isinstance(seed, str | bytes)
    _expect_as_many(images, holes=None if one_hole else holes, seed=None if one_seed else seed)
    return _cut(
        _Rows(images) if _is_array(images) else _Alike(_iterator(images, "images")),
        _Same(hole_of(holes)) if one_hole else _Rows(holes) if _is_array(holes) else _Items(_iterator(holes, "holes")),
        _Items(repeat(seed) if one_seed else iter(seed)),
        most,
    )


def streamed(
    cut: Iterator[Piece], stages: Sequence[Stage], smaller: Callable[[int], None], *, overlap: bool
) -> Iterator[Any]:
    """Yields what the last of the stages makes of each piece, in order.

    A piece of which a stage fails is done again in halves, so that what can be restored is; the image that fails alone
    is named by its number in the stream.  Where memory ran out, `smaller` hears how many images there were.

    stages   each takes what the one before made; the first one a Piece
    overlap  each stage has a thread of its own
    """

    def again(piece: Piece) -> Iterator[Any]:
        error: Exception
        try:
            made: Any = piece
            for stage in stages:
                made = stage(made)
        except Exception as raised:
            if len(piece.images) == 1:
                raise _named(raised, piece.first) from raised
            # without the frames that it came through, which hold on to memory
            error = raised.with_traceback(None)
        else:
            yield made
            return
        if out_of_memory(error):
            smaller(len(piece.images))
        half = len(piece.images) // 2
        yield from again(piece.part(slice(half)))
        yield from again(piece.part(slice(half, None)))

    with contextlib.ExitStack() as stack:
        steps: Iterator[tuple[Piece, Any]] = map(_begun, cut)
        for stage in stages:
            step = partial(_step, stage)
            steps = stack.enter_context(Ahead(steps, step)) if overlap else map(step, steps)
        for piece, made in steps:
            if made is None:
                yield from again(piece)
            else:
                yield made
            # not held on to while the next one is waited for
            del piece, made


def at_work(do: Stage, device: torch.device) -> Stage:
    """Returns a stage that does something on a device; on a CUDA device on a stream of its own, and until it is done.

    So nothing that it made or took is on its way any more where another stage takes it, or lets go of it.
    """
    if device.type != "cuda":

        def on_cpu(given: Any) -> Any:
            with torch.inference_mode(False):
                return do(given)

        return on_cpu
    caller, stream = torch.cuda.current_stream(device), torch.cuda.Stream(device)

    def on_cuda(given: Any) -> Any:
        # behind what was sent there: by the caller, and by an iterator on this thread
        for other in (caller, torch.cuda.current_stream(device)):
            stream.wait_stream(other)
        with torch.inference_mode(False), torch.cuda.stream(stream), on_stream(device):
            made = do(given)
        stream.synchronize()
        return made

    return on_cuda


class _Rows:
    """Takes rows of an array."""

    def __init__(self, array: Any) -> None:
        self._array, self._taken = array, 0

    def take(self, count: int) -> Any:
        rows = self._array[self._taken : self._taken + count]
        self._taken += len(rows)
        return rows


class _Items:
    """Takes what an iterator gives."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items

    def take(self, count: int) -> list[Any]:
        return list(islice(self._items, count))


class _Alike:
    """Takes what an iterator gives, as long as it is alike."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items
        # what was unlike those before it
        self._next: list[Any] = []

    def take(self, count: int) -> list[Any]:
        taken: list[Any] = []
        while len(taken) < count:
            item = self._next or list(islice(self._items, 1))
            self._next = []
            if not item:
                break
            if taken and _kind(item[0]) != _kind(taken[0]):
                self._next = item
                break
            taken += item
        return taken


class _Same:
    """Takes the same hole, as often as it is asked for."""

    def __init__(self, hole: Any) -> None:
        self._hole = hole

    def take(self, count: int) -> Any:
        return np.broadcast_to(self._hole, (count, *self._hole.shape))


def _cut(images: Any, holes: Any, seeds: Any, most: Callable[[], int]) -> Iterator[Piece]:
    first = 0
    while count := len(taken := images.take(most())):
        piece = Piece(first, taken, holes.take(count), seeds.take(count))
        for name, given in (("holes", piece.holes), ("seed", piece.seeds)):
            if len(given) < count:
                raise InputError(f"{name}: expected one for each image, got {first + len(given)}")
        yield piece
        first += count
        # not held on to while the next ones are waited for
        del taken, piece, given


def _begun(piece: Piece) -> tuple[Piece, Any]:
    # in place of a generator, which would hold on to a piece until the next one is there
    return piece, piece


def _step(stage: Stage, given: tuple[Piece, Any]) -> tuple[Piece, Any]:
    """Returns what a stage makes; None, if it or one before it fails, for the piece is done again."""
    piece, made = given
    try:
        return piece, None if made is None else stage(made)
    except Exception:
        return piece, None


def _named(error: Exception, number: int) -> Exception:
    """Returns the error with the image's number in the stream."""
    where = f"image {number} of the stream"
    if isinstance(error, InputError | ModelError | ArithmeticError):
        # it was the only one of its piece
        return type(error)(f"{where}: {str(error).replace('[0]: ', ': ', 1)}")
    error.add_note(where)
    return error


def _is_array(array: Any) -> bool:
    return isinstance(array, np.ndarray) or is_torch(array) or is_cupy(array)


def _kind(item: Any) -> Any:
    return type(item), getattr(item, "dtype", None), getattr(item, "shape", None)


def _stacked(arrays: list[Any], name: str) -> Any:
    """Returns arrays of a kind as one, where they lie."""
    arrays = [array if is_torch(array) or is_cupy(array) else to_numpy(array, name) for array in arrays]
    return torch.stack(arrays) if is_torch(arrays[0]) else module_of(arrays[0]).stack(arrays)


def _iterator(items: Any, name: str) -> Iterator[Any]:
    if not isinstance(items, Iterable):
        raise InputError(f"{name}: expected an array, or an iterable of one an image, got {type(items).__name__}")
    return iter(items)


def _expect_as_many(images: Any, **others: Any) -> None:
    """Raises InputError where both are known to have an end, and not the same."""
    for name, other in others.items():
        if isinstance(images, Sized) and isinstance(other, Sized) and len(images) != len(other):
            raise InputError(f"{name}: expected one for each of {len(images)} images, got {len(other)}")
