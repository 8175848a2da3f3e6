"""Which library made an array, and how to get from one to the other.

torch and CuPy are looked up among the modules already imported, never imported for the question: an array cannot
come from a library that is not there.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from faceinpaint_fast.cores import core_count
from faceinpaint_fast.errors import InputError

if TYPE_CHECKING:
    import torch

Array = TypeVar("Array")  # np.ndarray, torch.Tensor or cupy.ndarray
Item = TypeVar("Item")
Result = TypeVar("Result")

# what the allocators of a CPU say in a RuntimeError
NO_MEMORY = ("can't allocate memory", "not enough memory")


def is_torch(array: object) -> bool:
    """Whether an array is torch's."""
    module = sys.modules.get("torch")
    return module is not None and isinstance(array, module.Tensor)


def is_cupy(array: object) -> bool:
    """Whether an array is CuPy's."""
    module = sys.modules.get("cupy")
    return module is not None and isinstance(array, module.ndarray)


def out_of_memory(error: Exception) -> bool:
    """Whether memory has run out, on a device or beside it."""
    module = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (module is not None and isinstance(error, module.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)


def expect_no_gradient(array: Any, name: str) -> None:
    """Raises InputError for a tensor that wants a gradient, where gradients are recorded: none would come back."""
    if is_torch(array) and array.requires_grad and sys.modules["torch"].is_grad_enabled():
        raise InputError(f"{name}: expected a tensor without requires_grad, for no gradient is known: detach() it")


def module_of(array: Any) -> Any:
    """Returns numpy or cupy, whichever made the array."""
    return sys.modules["cupy"] if is_cupy(array) else np


def read_together(numbers: Sequence[Any]) -> list[float]:
    """Returns numbers as Python's; those of CuPy's, which lie on a device, in one transfer."""
    if not is_cupy(numbers[0]):
        return [float(number) for number in numbers]
    together: Any = np.stack([number.astype(np.float64) for number in numbers])
    return list(together.get().tolist())


def rows_of(array: Any, count: int) -> Iterable[Any]:
    """Returns each of so many rows of an array, as views; of None, as often, None."""
    if array is None:
        return [None] * count
    # with dots, or of (B,) NumPy would return numbers in place of arrays
    return array.unbind() if is_torch(array) else (array[i, ...] for i in range(count))


def device_of(array: Any) -> int | None:
    """Returns the number of the CUDA device where an array of CuPy's lies; None for NumPy's."""
    return array.device.id if is_cupy(array) else None


def to_numpy(array: Any, name: str = "array") -> NDArray[Any]:
    """Returns an array as NumPy's: a view where it lies in this machine's memory, else a copy.

    Raises InputError, which calls it by its name, for what is no array and for what NumPy cannot hold.
    """
    if isinstance(array, str | bytes | os.PathLike):
        raise InputError(
            f"{name}: expected an array, got a {type(array).__name__}, {array!r}: images.read_image reads files"
        )
    try:
        if is_torch(array):
            return array.detach().cpu().resolve_conj().resolve_neg().numpy()
        if is_cupy(array):
            return array.get()
        found = np.asarray(array)
    # bfloat16 and sparse tensors, those of the meta device, ragged lists
    except (TypeError, ValueError, RuntimeError) as error:
        raise _unheld(array, name, error) from error
    if found.dtype.kind not in "biufc":
        raise _unheld(array, name, f"its dtype is {found.dtype}")
    return found


def where_it_lies(array: Any, name: str = "array") -> Any:
    """Returns a view of an array: CuPy's, if it lies on a CUDA device and CuPy is installed, else NumPy's.

    Raises InputError as `to_numpy` does.
    """
    if is_cupy(array):
        return array
    if is_torch(array) and array.is_cuda:
        with contextlib.suppress(ImportError):
            import cupy

            try:
                return cupy.from_dlpack(array.detach())
            except (TypeError, ValueError, RuntimeError, BufferError) as error:
                raise _unheld(array, name, error) from error
    return to_numpy(array, name)


def _unheld(array: Any, name: str, why: object) -> InputError:
    kind = f"{array.dtype} tensor" if is_torch(array) else type(array).__name__
    return InputError(f"{name}: expected an array of numbers that NumPy can hold, got a {kind}: {why}")


def brought(array: Any, device: int) -> Any:
    """The array of NumPy or CuPy as CuPy's, which is installed, on the CUDA device of that number."""
    import cupy

    with cupy.cuda.Device(device):
        return cupy.asarray(array)


def to_torch(array: Any, device: torch.device) -> torch.Tensor:
    """Returns an array of NumPy or CuPy as torch's tensor on that device: a view, where it can be one."""
    import torch

    array = module_of(array).ascontiguousarray(array)
    if not is_cupy(array):
        # torch knows no tensor that may only be read
        return torch.from_numpy(array if array.flags.writeable else array.copy()).to(device)
    # bool has no agreed form on its way
    tensor = torch.utils.dlpack.from_dlpack(array.view(np.uint8) if array.dtype == np.bool_ else array)
    return (tensor.view(torch.bool) if array.dtype == np.bool_ else tensor).to(device)


@contextlib.contextmanager
def on_stream_of(array: Any) -> Iterator[None]:
    """Lets CuPy, if it is installed, work on an array's device and, for torch's, on torch's current stream."""
    with contextlib.ExitStack() as stack:
        if is_cupy(array):
            stack.enter_context(array.device)
        elif is_torch(array):
            stack.enter_context(on_stream(array.device))
        yield


@contextlib.contextmanager
def on_stream(device: torch.device) -> Iterator[None]:
    """CuPy, if it is installed, works on a CUDA device of torch's and on torch's current stream there."""
    with contextlib.ExitStack() as stack:
        if (number := cupy_device(device)) is not None:
            import cupy
            import torch

            stack.enter_context(cupy.cuda.Device(number))
            stream = torch.cuda.current_stream(device)
            # since CuPy 14, which warns of ExternalStream
            if hasattr(cupy.cuda.Stream, "from_external"):
                stack.enter_context(cupy.cuda.Stream.from_external(stream))
            else:
                stack.enter_context(cupy.cuda.ExternalStream(stream.cuda_stream))
        yield


def cupy_device(device: torch.device) -> int | None:
    """The number by which CuPy knows a device of torch's; None for one that is no CUDA device, or without CuPy."""
    if device.type != "cuda":
        return None
    try:
        import cupy
    except ImportError:
        return None
    return int(cupy.cuda.runtime.getDevice()) if device.index is None else device.index


def like(result: Any, example: Array) -> Array:
    """Returns `result` as the kind of array that `example` is, where that one lies."""
    if is_torch(example):
        import torch

        if is_cupy(result):
            return torch.from_dlpack(result).to(example.device)  # type: ignore[attr-defined, return-value]
        return torch.from_numpy(result).to(example.device)  # type: ignore[attr-defined, return-value]
    if is_cupy(example) and not is_cupy(result):
        import cupy

        with example.device:  # type: ignore[attr-defined]
            return cupy.asarray(result)
    if is_cupy(result) and not is_cupy(example):
        return result.get()
    return result


def pick_device(name: str | torch.device) -> torch.device:
    """Returns the device of this name; "auto" is the first CUDA device if there is one, else the CPU.

    Raises InputError for a device that is not at hand.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        # there and back: the meta device exists, but nothing ever returns from it
        torch.empty(0, dtype=torch.uint8, device=device).cpu()
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"device: expected auto or a device at hand, got {name!r}: {reason}") from None
    return device


class _OfThread(threading.local):
    # compiled code's threads, while torch has none but the thread itself
    count: int | None = None


_of_thread = _OfThread()


def thread_count() -> int:
    """Returns how many threads compiled code may use: no more than the process may use cores.

    That is torch's setting where torch is in use, which obeys OMP_NUM_THREADS, else OMP_NUM_THREADS itself.
    """
    module = sys.modules.get("torch")
    if module is not None:
        return min(core_count(), _of_thread.count or int(module.get_num_threads()))
    # a number for each level of nesting
    wanted = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return min(core_count(), int(wanted)) if wanted.isdecimal() and int(wanted) > 0 else core_count()


@contextlib.contextmanager
def torch_on_one_thread() -> Iterator[None]:
    """Within it torch's own operations run on the calling thread alone; `thread_count` stays what it was.

    OpenMP's threads spin while they wait for each other, and where something else has the core of one of them, for
    longer than many a small operation takes.
    """
    count = sys.modules["torch"].get_num_threads()
    if count == 1:
        yield
        return
    openmp, mkl = _thread_setters()
    openmp(1)
    # what it returns is what it was; 0: as many as OpenMP has
    of_mkl = mkl(1)
    _of_thread.count = count
    try:
        yield
    finally:
        _of_thread.count = None
        openmp(count)
        mkl(of_mkl)


@cache
def _thread_setters() -> list[Callable[[int], int]]:
    """Returns what sets the threads that OpenMP and MKL start from the calling thread, where torch is built with them.

    torch.set_num_threads would set them for all threads that have not asked torch yet, too.
    """
    import ctypes

    library = ctypes.CDLL(sys.modules["torch"]._C.__file__)
    return [getattr(library, name, lambda _: 0) for name in ("omp_set_num_threads", "MKL_Set_Num_Threads_Local")]


def threads_for(items: int, worth_a_thread: int) -> int:
    """Returns how many threads to use: as many as compiled code may, each with at least so many items."""
    return max(1, min(thread_count(), items // worth_a_thread))


def shared_out(work: Callable[[Iterator[Item]], Result], items: Iterable[Item], threads: int) -> list[Result]:
    """Calls `work` on an iterator over items that so many threads share, and returns what each of them made.

    The caller's own thread is one of them, so that what gets no thread, because the system has none to give, is done
    all the same.  What `work` raises is raised here, once every thread has ended.
    """
    if threads == 1:
        return [work(iter(items))]
    # not above: few need it, and who only asks for W waits for every import
    from queue import SimpleQueue

    queue: SimpleQueue[Item] = SimpleQueue()
    for item in items:
        queue.put(item)
    made: list[Result] = []
    raised: list[BaseException] = []

    def left() -> Iterator[Item]:
        with contextlib.suppress(Empty):
            while True:
                yield queue.get_nowait()

    def run() -> None:
        try:
            made.append(work(left()))
        except BaseException as error:
            raised.append(error)
            # nobody needs the rest
            for _ in left():
                pass

    others = [threading.Thread(target=run) for _ in range(threads - 1)]
    started = []
    for thread in others:
        try:
            thread.start()
        except RuntimeError:
            break
        started.append(thread)
    run()
    for thread in started:
        thread.join()
    if raised:
        raise raised[0]
    return made
