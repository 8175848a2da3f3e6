"""The whole way of a photograph: its faces found, framed, restored as one batch, and blended back at its own size."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from faceinpaint_fast.batches import ImageBatch, expect_none, fitting, hole_of, not_finite, partly_known
from faceinpaint_fast.checks import in_unit
from faceinpaint_fast.config import InpaintConfig
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.framing import CELEBA_108, Framing
from faceinpaint_fast.models import Model, load_model
from faceinpaint_fast.photo import paste
from faceinpaint_fast.photo.align import Attempt, hides, settled
from faceinpaint_fast.photo.detect import POINTS, Detector, Mtcnn, found_by, resized
from faceinpaint_fast.photo.frame import Frame, Window, window_around
from faceinpaint_fast.photo.mirror import Mode, mirrored
from faceinpaint_fast.photo.paste import Mask
from faceinpaint_fast.photo.points import checked
from faceinpaint_fast.photo.restoration import Restoration, RestoredFace
from faceinpaint_fast.pipeline import Inpainter, Inpainting

NO_FACE = (
    "photo: expected a face, got none that the detector finds: say where it lies by faces=, on the command line"
    " --landmarks, --eyes or --box, or bring another detector"
)
CLOSE = 2.0  # pixels of the photograph along one of the model's, more of which are not looked at
AROUND = 12  # model pixels around a frame that are of use to its face


class Faces(Protocol):
    """Anything that restores aligned faces as an `Inpainter` does."""

    def __call__(self, images: NDArray[Any], holes: NDArray[np.bool_], *, seed: int) -> Inpainting[NDArray[Any]]:
        """Restores images (B, H, W, 3) where holes (B, H, W) are missing."""
        ...


@dataclass(slots=True, eq=False)
class _Work:
    """A photograph at work: smooth (H, W, 3) as it is looked at, missing (H, W), what is said, and for how long."""

    smooth: NDArray[np.float32]
    missing: Mask
    seed: int
    mirror: Mode = "off"
    notes: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Adds the time that the work within takes."""
        start = time.perf_counter()
        yield
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - start


class Restorer:
    """Restores the faces of photographs of any size by an `Inpainter`.

    inpainter  of a model that draws squares
    framing    which square of an aligned picture that is
    detector   finds faces where it is not said where they lie; None: MTCNN, when it is first needed
    through    what restores aligned faces in place of the inpainter, such as a queue before it; None: a call of it

    Needs the extra `photo`: InputError without it.
    """

    def __init__(
        self,
        inpainter: Inpainter,
        *,
        framing: Framing = CELEBA_108,
        detector: Detector | None = None,
        through: Faces | None = None,
    ) -> None:
        _, height, width = inpainter.image_shape
        if height != width:
            raise InputError(f"inpainter: expected a generator that draws squares, got {height}x{width}")
        self.inpainter, self._detector = inpainter, detector
        self._restore: Faces = inpainter if through is None else through
        self._size, self._means = width, framing.detected_in(width)

    @classmethod
    def from_pretrained(
        cls,
        model: Path | str | None = None,
        *,
        config: InpaintConfig = InpaintConfig(),  # noqa: B008 - frozen
        device: str | torch.device = "auto",
        detector: Detector | None = None,
    ) -> Restorer:
        """Makes a Restorer of a model by its name, such as "faces64", the default, or of a model folder.

        Raises ModelError for a model that is damaged, and for none.
        """
        return cls.of(load_model(model), config=config, device=device, detector=detector)

    @classmethod
    def of(
        cls,
        model: Model,
        *,
        config: InpaintConfig,
        device: str | torch.device = "auto",
        detector: Detector | None = None,
    ) -> Restorer:
        """Makes a Restorer of a model that has been loaded."""
        inpainter = Inpainter.of(model, config=config, device=device)
        return cls(inpainter, framing=model.config.framing, detector=detector)

    def __call__(
        self,
        photo: Any,
        hole: Any,
        *,
        faces: Any = None,
        mirror: Mode = "auto",
        seed: int = 0,
        faceless: bool = False,
        progress: Callable[[float], None] = lambda _: None,
    ) -> Restoration:
        """Restores a photograph where its hole is missing.

        photo     float in [0, 1] or uint8: NumPy (H, W, 3), torch (3, H, W); what it holds in the hole does not matter
        hole      (H, W), missing where True, float >= 0.5, uint8 >= 128
        faces     where faces lie, (x, y) in pixels: (N, 5, 2), eyes, nose and corners of the mouth, left before right,
                  or (N, 2, 2), the eyes alone; None: the detector finds them
        mirror    whether the other half of a face takes the place of T where it covers the hole: "on", "off", or where
                  it can be trusted, "auto"
        seed      of the searches
        faceless  whether a photograph without a face is filled by the blend alone
        progress  hears the share that is done, up to 1

        Raises InputError for what does not fit, and, unless `faceless`, where no face is found.  Warns of a hole
        without a pixel: the photograph comes back as it is.
        """
        if mirror not in get_args(Mode):
            raise InputError(f"mirror: expected one of {', '.join(get_args(Mode))}, got {mirror!r}")
        batch, missing = _checked(photo, hole)
        damaged = np.where(missing[..., None], 0, batch.unit()[0]).astype(np.float32).clip(0, 1)
        work = _Work(damaged, missing, seed, mirror)
        with work.timed("smooth fill"):
            work.smooth = paste.smooth(damaged, missing)
        if not missing.any():
            warnings.warn("hole: expected a missing pixel, got none: the photograph comes back as it is", stacklevel=2)
            return self._restoration(batch, work, [], [])
        with work.timed("find"):
            points = list(checked(faces)) if faces is not None else list(self._look(work.smooth))
        if not points and not faceless:
            raise InputError(NO_FACE)
        progress(0.1)
        frames = [self.frame(each) for each in points]
        parts = paste.parts_of(missing, frames)
        touched = [part.any() for part in parts]
        others = [each for each, reached in zip(points, touched, strict=True) if not reached]
        points, parts = ([each for each, at in zip(all_, touched, strict=True) if at] for all_ in (points, parts))
        if not points:
            work.notes.append("the hole touches no face: it is filled by the blend alone")
        restored = self._restored(work, points, parts, given=faces is not None, progress=progress)
        progress(1.0)
        return self._restoration(batch, work, restored, others)

    def find(self, photo: Any) -> NDArray[np.float64]:
        """Returns the points (N, 5, 2) of the faces of an undamaged photograph, NumPy (H, W, 3) or torch (3, H, W)."""
        batch, _ = _checked(photo, np.zeros(ImageBatch.of(photo, "photo").pixels.shape[1:3], np.bool_))
        return self._look(batch.unit()[0].astype(np.float32))

    def _look(self, photo: NDArray[np.float32]) -> NDArray[np.float64]:
        """Returns the points (N, 5, 2) that the detector finds in a photograph."""
        if self._detector is None:
            self._detector = Mtcnn()
        return found_by(self._detector, np.round(photo.clip(0, 1) * 255).astype(np.uint8))

    def frame(self, points: NDArray[np.float64]) -> Frame:
        """Returns the model's square for the points (5, 2) of a face, or its eyes (2, 2)."""
        return Frame.of(points, self._means[: len(points)], self._size)

    def _restored(
        self,
        work: _Work,
        points: list[NDArray[np.float64]],
        parts: list[Mask],
        *,
        given: bool,
        progress: Callable[[float], None],
    ) -> list[RestoredFace]:
        """Returns the faces at these points, whose parts of the hole (H, W) are filled."""
        frames = [self.frame(each) for each in points]
        deep = self._searched(work, frames, parts)
        hidden = [] if given else [i for i in deep if hides(parts[i], points[i], frames[i].scale)]
        with work.timed("look again"):
            found = self._settled(work, {i: points[i] for i in hidden}, parts)
        progress(0.6)
        with work.timed("search"):
            found |= self._attempts(work, {i: points[i] for i in deep if i not in found})
        progress(0.7)
        return [self._face(work, found.get(i), points[i], part) for i, part in enumerate(parts)]

    def _face(self, work: _Work, attempt: Attempt | None, points: NDArray[np.float64], part: Mask) -> RestoredFace:
        """Returns a face with its part of the hole (H, W) filled: by an attempt, or else by the blend alone."""
        points = points if attempt is None else attempt.points
        frame = self.frame(points)
        window = self._window(frame, part)
        mirror = None
        with work.timed("blend"):
            plain = work.smooth[window] if attempt is None else self._blended(work, attempt, part, window)
        if attempt is not None and work.mirror != "off":
            with work.timed("mirror"):
                corner = np.array([window[1].start, window[0].start])
                five = points if len(points) == len(POINTS) else frame.to_photo(self._means)
                mirror = mirrored(
                    plain, work.missing[window], part[window], frame.moved(*corner), five - corner, work.mirror
                )
        return RestoredFace(
            points=points,
            frame=frame,
            generated=None if attempt is None else attempt.generated,
            losses={} if attempt is None else attempt.losses,
            window=window,
            part=part[window],
            plain=plain,
            mirror=mirror,
        )

    def _searched(self, work: _Work, frames: list[Frame], parts: list[Mask]) -> list[int]:
        """Returns which faces are worth a search; of others the blend alone fills the hole, and that is said."""
        thin = {i for i, part in enumerate(parts) if paste.is_thin(part, frames[i])}
        gone = {i for i, frame in enumerate(frames) if frame.missing(work.missing).all()} - thin
        if thin:
            work.notes.append(f"{_counted(thin)}: the hole is thin, and the blend alone, which fills it, as good")
        if gone:
            work.notes.append(f"{_counted(gone)}: nothing of it is known, the hole is filled by the blend alone")
        return [i for i in range(len(parts)) if i not in thin | gone]

    def _settled(self, work: _Work, points: dict[int, NDArray[np.float64]], parts: list[Mask]) -> dict[int, Attempt]:
        """Returns attempts at faces by their numbers, whose points the hole hides in part, in frames that have settled.

        A large photograph is made smaller for it: nobody looks closer than at some pixels to a model pixel.
        """
        if not points:
            return {}
        shrunk = min(1.0, CLOSE / min(self.frame(each).scale for each in points.values()))
        small = work if shrunk == 1 else _Work(resized(work.smooth, shrunk), _shrunk(work.missing, shrunk), work.seed)
        within = parts if shrunk == 1 else [_shrunk(part, shrunk) for part in parts]
        now = {i: (each + 0.5) * shrunk - 0.5 for i, each in points.items()}
        last = settled(
            now,
            {i: self.frame(each).scale for i, each in now.items()},
            lambda now: self._attempts(small, now),
            lambda tried: self._look(self._with(small, tried, within)),
        )
        return {i: replace(attempt, points=(attempt.points + 0.5) / shrunk - 0.5) for i, attempt in last.items()}

    def _attempts(self, work: _Work, points: dict[int, NDArray[np.float64]]) -> dict[int, Attempt]:
        """Restores faces by their numbers, as one batch, in the frames of their points."""
        if not points:
            return {}
        squares, holes = [], []
        for each in points.values():
            frame = self.frame(each)
            window = window_around(frame.corners(), 2, work.missing.shape)
            frame = frame.moved(window[1].start, window[0].start)
            squares.append(frame.drawn(work.smooth[window]).clip(0, 1))
            holes.append(frame.missing(work.missing[window]))
        with warnings.catch_warnings():
            # of a part that is smaller than a model pixel nothing is missing there
            warnings.simplefilter("ignore", UserWarning)
            result = self._restore(np.stack(squares), np.stack(holes), seed=work.seed)
        return {
            face: Attempt(each, result.generated[i], {name: float(loss[i]) for name, loss in result.losses.items()})
            for i, (face, each) in enumerate(points.items())
        }

    def _with(self, work: _Work, tried: dict[int, Attempt], parts: list[Mask]) -> NDArray[np.float32]:
        """Returns the photograph with attempts in their parts of the hole."""
        photo = work.smooth.copy()
        for face, attempt in tried.items():
            window = self._window(self.frame(attempt.points), parts[face])
            inside = parts[face][window][..., None]
            photo[window] = np.where(inside, self._blended(work, attempt, parts[face], window), photo[window])
        return photo

    def _window(self, frame: Frame, part: Mask) -> Window:
        """Returns the rows and columns that hold a frame and its part of the hole."""
        rows, columns = (np.flatnonzero(part.any(axis=axis)) for axis in (1, 0))
        ends = np.array([(columns[0], rows[0]), (columns[-1], rows[-1])])
        return window_around(np.concatenate([frame.corners(AROUND), ends]), paste.REACH, part.shape)

    def _blended(self, work: _Work, attempt: Attempt, part: Mask, window: Window) -> NDArray[np.float32]:
        """Returns a window of the photograph with an attempt blended into a part of the hole."""
        frame = self.frame(attempt.points).moved(window[1].start, window[0].start)
        source = frame.enlarged(attempt.generated, part[window].shape)
        return paste.blended(work.smooth[window], source, part[window], tension=paste.PULL / frame.scale**2)

    def _restoration(
        self,
        batch: ImageBatch,
        work: _Work,
        faces: list[RestoredFace],
        others: list[NDArray[np.float64]],
    ) -> Restoration:
        with work.timed("blend"):
            image = paste.composed(work.smooth, [(each.frame, each.window, each.part, each.restored) for each in faces])
        return Restoration(
            image=batch.filled(image[None], work.missing[None]),
            faces=tuple(faces),
            others=np.array(others) if others else np.zeros((0, len(POINTS), 2)),
            smooth=work.smooth,
            notes=tuple(work.notes),
            seconds=work.seconds,
        )


def _checked(photo: Any, hole: Any) -> tuple[ImageBatch, Mask]:
    """Returns a photograph as a batch of one, and its hole (H, W); InputError for what does not fit."""
    batch = ImageBatch.of(photo, "photo")
    _, height, width, channels = batch.pixels.shape
    if batch.count is not None or channels != 3:
        raise InputError(f"photo: expected one of 3 channels, (H, W, 3) or torch's (3, H, W), got {batch.shape}")
    holes = fitting(partly_known(hole_of(hole)), None, height, width)
    missing: Mask = holes[0]
    if (bad := not_finite(batch.pixels)) is not None:
        expect_none(bad & ~holes, "photo")
    if batch.pixels.dtype != np.uint8:
        known = batch.pixels[0][~missing]
        if not in_unit(float(known.min()), float(known.max())):
            raise InputError(f"photo: expected float in [0, 1] or uint8, got {known.min():.9g} to {known.max():.9g}")
    return batch, missing


def _shrunk(mask: Mask, factor: float) -> Mask:
    """Returns a hole (H, W) in a smaller photograph: what holds any of its pixels, so that no known one is lost."""
    return resized(mask.astype(np.float32), factor) > 0


def _counted(faces: set[int]) -> str:
    return "a face" if len(faces) == 1 else f"{len(faces)} faces"
