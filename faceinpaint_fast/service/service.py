"""The service itself: requests through decoding, search and encoding, everything beside the engine in threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast import images
from faceinpaint_fast.arrays import thread_count
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.models import Model
from faceinpaint_fast.photo.detect import Detector, Mtcnn
from faceinpaint_fast.photo.points import checked, in_box
from faceinpaint_fast.photo.restorer import Restorer
from faceinpaint_fast.pipeline import Inpainter, Inpainting
from faceinpaint_fast.service import pictures, refusal
from faceinpaint_fast.service.asked import Asked, Options
from faceinpaint_fast.service.call import Call
from faceinpaint_fast.service.engine import Engine, Face, give_way
from faceinpaint_fast.service.measures import Measures
from faceinpaint_fast.service.pictures import Damaged, Encoded
from faceinpaint_fast.service.refusal import Refusal
from faceinpaint_fast.service.room import Room
from faceinpaint_fast.service.settings import SECONDS_TO_END, Settings

SECONDS_TO_TELL = 1.0  # at the end, in which those who are refused hear of it
Made = TypeVar("Made")
PICTURES = 4  # of the largest size, whose pixels are worked at at a time
OVER = 4  # times a picture's pixels, that a face's frame may have


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request.

    picture  the restored picture's file
    faces    what was found of each face, as JSON has it
    losses   of the search, by name: the mean over the faces
    remarks  what there is to say of it
    seconds  by stage
    """

    picture: Encoded
    faces: list[dict[str, Any]]
    losses: dict[str, float]
    remarks: list[str]
    seconds: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Restored:
    pixels: NDArray[Any]
    faces: list[dict[str, Any]]
    losses: dict[str, float]
    remarks: tuple[str, ...] = ()


class Service:
    """Restores what requests ask for by one engine, beside which a few threads read, look, blend and write.

    inpainter  in place of one of the model by the settings
    detector   finds faces; None: MTCNN
    """

    def __init__(
        self, model: Model, settings: Settings, *, inpainter: Inpainter | None = None, detector: Detector | None = None
    ) -> None:
        self.settings, self.measures = settings, Measures()
        self._framing = model.config.framing
        self._inpainter = inpainter or Inpainter.of(model, config=settings.search, device=settings.device)
        self._detector = Mtcnn() if detector is None else detector
        batched = self.measures.batches.observe
        self.engine = Engine(self._inpainter, batch=settings.batch, window=settings.window, batched=batched)
        self.room = Room(settings.queue, PICTURES * settings.pixels, settings.deadline)
        threads = thread_count()
        self._desk = ThreadPoolExecutor(threads, "desk", give_way)
        # more than there are cores, as they wait for the engine most of the time; those that do not have a core each
        self._photographs = ThreadPoolExecutor(max(threads, settings.batch), "photograph", give_way)
        self._cores = threading.Semaphore(threads)
        self.is_ready = self.is_ending = False
        self._patience = threading.Timer(SECONDS_TO_END - SECONDS_TO_TELL, self.end)
        self._patience.daemon = True

    @property
    def size(self) -> int:
        """Pixels across an aligned face."""
        return self._inpainter.image_shape[2]

    def warm_up(self) -> None:
        """Does what first requests would wait for, and begins to work at them."""
        self._inpainter.warm_up()
        images.claim_of(b"P5 1 1 255 0", "image", 1)
        self._detector(np.zeros((self.size, self.size, 3), np.uint8))
        self.engine.start()
        self.is_ready = True

    def will_end(self) -> None:
        """Takes no more requests, and gives those that it has a few seconds; what waits then is refused."""
        if not self.is_ending:
            self.is_ready, self.is_ending = False, True
            self._patience.start()

    def end(self) -> None:
        """Lets nothing begin any more: what waits is refused; what is worked at is finished.

        The desk stays open: what was searched is written there, and whatever else comes by it the engine refuses.
        """
        self.is_ready, self.is_ending = False, True
        self._patience.cancel()
        self.engine.close()
        self._photographs.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Has a place within; a Refusal where there is none."""
        if self.is_ending:
            raise refusal.closing()
        with self.room.held():
            yield

    async def restore(self, asked: Asked, call: Call, *, faceless: bool = False) -> Answer:
        """Returns what came of a request, which has a place; a Refusal where it cannot be done.

        faceless  whether a photograph without a face is filled by the blend alone
        """
        return await self.restored(asked, call, partial(pictures.damaged, asked, self.settings.pixels), faceless)

    async def restored(self, asked: Asked, call: Call, read: Callable[[], Damaged], faceless: bool = False) -> Answer:
        """Returns what came of a request whose picture and hole are read in this way."""
        start = time.perf_counter()
        claims = pictures.claims(asked, self.settings.pixels)
        image, pixels = claims[0], sum(each.width * each.height for each in claims)
        is_photograph = asked.options.ways or (image.width, image.height) != (self.size, self.size)
        lane = self.room.photographs if is_photograph else self.room.faces
        with self.room.pictures(lane, pixels):
            damaged = await self._at(self._desk, call, "decode", read)
            options = asked.options
            if not damaged.missing.any():
                found = _Restored(damaged.pixels, [], {}, ("hole: nothing is missing",))
            elif self._is_aligned(damaged, options):
                face = Face(damaged.pixels, damaged.missing, options.seed, options.iterations, call, options.spread)
                found = _of_face(await self._of(self.engine.submit(face), call))
            else:
                work = partial(self._photograph, damaged, options, call, faceless)
                found = await self._at(self._photographs, call, None, work)
            call.may_take_long()
            write = partial(pictures.encoded, damaged, found.pixels, options.format)
            picture = await self._at(self._desk, call, "encode", write)
        call.seconds["total"] = time.perf_counter() - start
        for stage, seconds in call.seconds.items():
            self.measures.seconds.labels(stage).observe(seconds)
        return Answer(picture, found.faces, found.losses, [*found.remarks, *picture.remarks], dict(call.seconds))

    async def find(self, image: bytes, call: Call) -> dict[str, Any]:
        """Returns the size of a picture, upright, and its faces, as JSON has them."""
        claim = pictures.claim(image, "image", self.settings.pixels)
        with self.room.pictures(self.room.photographs, claim.width * claim.height):
            return await self._at(self._photographs, call, "find", partial(self._looked, image))

    def _looked(self, image: bytes) -> dict[str, Any]:
        with self._cores:
            pixels = pictures.read(image).pixels
            restorer = self._restorer()
            found = restorer.find(pixels)
        height, width = pixels.shape[:2]
        return {"width": width, "height": height, "faces": [_told(restorer, each) for each in found]}

    def _is_aligned(self, damaged: Damaged, options: Options) -> bool:
        """Whether it is an aligned face; a Refusal where it should be one and is not."""
        height, width = damaged.missing.shape
        its_size = height == width == self.size
        if options.aligned and not its_size:
            expected = f"{self.size}x{self.size} pixels, the model's size"
            raise Refusal(422, f"image: expected an aligned face of {expected}, got {width}x{height}", "image")
        return its_size and not options.ways

    def _restorer(self, through: Any = None) -> Restorer:
        return Restorer(self._inpainter, framing=self._framing, detector=self._detector, through=through)

    def _photograph(self, damaged: Damaged, options: Options, call: Call, faceless: bool) -> _Restored:
        """Restores a photograph, whose faces go to the engine as those of other requests do."""

        def through(images: NDArray[Any], holes: NDArray[np.bool_], *, seed: int) -> Inpainting[NDArray[Any]]:
            faces = [
                Face(image, hole, seed, options.iterations, call, options.spread)
                for image, hole in zip(images, holes, strict=True)
            ]
            self._cores.release()
            try:
                done = [self.engine.submit(face) for face in faces]
                return _together([_waited(each, call) for each in done])
            finally:
                self._cores.acquire()

        restorer = self._restorer(through)
        field = options.ways[0] if options.ways else "image"
        call.heard("photograph", 0, 100)
        try:
            points = self._points(restorer, damaged, options)
            with self._cores:
                call.check()
                result = restorer(
                    damaged.pixels,
                    damaged.missing,
                    faces=points,
                    mirror=options.mirror,
                    seed=options.seed,
                    faceless=faceless,
                    progress=lambda share: call.heard("photograph", round(100 * share), 100),
                )
        except InputError as error:
            raise refusal.of(error, field) from error
        for stage, seconds in result.seconds.items():
            # the search itself is told by the engine
            if stage not in ("search", "look again"):
                call.took(stage, seconds)
        restored = [
            {
                **_told(restorer, face.points),
                "restored": True,
                "losses": face.losses,
                "mirror": None if face.mirror is None else {"used": face.mirror.used, "why": face.mirror.why},
            }
            for face in result.faces
        ]
        others = [{**_told(restorer, each), "restored": False, "losses": {}, "mirror": None} for each in result.others]
        searched = [face.losses for face in result.faces if face.losses]
        losses = {name: sum(each[name] for each in searched) / len(searched) for name in (searched or [{}])[0]}
        return _Restored(result.image, restored + others, losses, result.notes)

    def _points(self, restorer: Restorer, damaged: Damaged, options: Options) -> NDArray[np.float64] | None:
        """Returns where a request says that faces lie; InputError for faces much larger than their picture."""
        if not options.ways:
            return None
        given = getattr(options, options.ways[0])
        if options.boxes is not None:
            given = [in_box(box) for box in options.boxes]
        points = checked(np.reshape(np.array(given, np.float64), (len(given), -1, 2)))
        for each in points:
            with np.errstate(all="ignore"):
                side = restorer.frame(each).scale * self.size
            # not the other way round: NaN compares false
            if not side**2 <= OVER * damaged.missing.size:
                raise InputError(f"{options.ways[0]}: expected faces that fit in the picture, got larger ones")
        return points

    async def _at(self, pool: ThreadPoolExecutor, call: Call, stage: str | None, work: Callable[[], Made]) -> Made:
        """Returns what a thread of a pool makes, unless the request's time is over before it begins."""

        def timed() -> Made:
            call.check()
            if stage is None:
                return work()
            with call.timed(stage):
                return work()

        try:
            future = pool.submit(timed)
        except RuntimeError:
            # the pool is shut down
            raise refusal.closing() from None
        return await self._of(future, call)

    async def _of(self, future: Future[Made], call: Call) -> Made:
        """Returns what comes of a future; past the deadline what has not begun is given up."""
        waited = asyncio.wrap_future(future)
        try:
            done, _ = await asyncio.wait([waited], timeout=call.remaining)
        except asyncio.CancelledError:
            # nobody waits for the answer any more
            call.left.set()
            future.cancel()
            raise
        if not done and future.cancel():
            raise refusal.late()
        try:
            return await waited
        except asyncio.CancelledError:
            # the pool was shut down before it began
            if future.cancelled():
                raise refusal.closing() from None
            raise


def _waited(future: Future[Made], call: Call) -> Made:
    """Returns what comes of a future in a thread that waits; past the deadline what has not begun is given up."""
    try:
        return future.result(call.remaining)
    except TimeoutError:
        if future.done():
            raise
        if future.cancel():
            raise refusal.late() from None
        return future.result()


def _together(found: list[Inpainting[NDArray[Any]]]) -> Inpainting[NDArray[Any]]:
    """Returns the results of faces as that of a batch."""

    def stacked(arrays: list[Any]) -> Any:
        return None if arrays[0] is None else np.stack(arrays)

    return Inpainting(
        image=stacked([each.image for each in found]),
        generated=stacked([each.generated for each in found]),
        z=stacked([each.z for each in found]),
        activations=stacked([each.activations for each in found]),
        losses={name: stacked([each.losses[name] for each in found]) for name in found[0].losses},
    )


def _of_face(found: Inpainting[NDArray[Any]]) -> _Restored:
    return _Restored(found.image, [], {name: float(loss) for name, loss in found.losses.items()})


def _told(restorer: Restorer, points: NDArray[np.float64]) -> dict[str, Any]:
    """Returns where a face lies, as JSON has it."""
    return {"points": points.tolist(), "frame": restorer.frame(points).corners().tolist(), "score": None}
