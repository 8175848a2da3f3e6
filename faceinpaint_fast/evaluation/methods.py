"""What the evaluation compares, by name: the engine's presets, and the rivals as this package has them."""

from __future__ import annotations

import importlib
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faceinpaint_fast.config import PRESETS, InpaintConfig, Precision
from faceinpaint_fast.errors import InputError
from faceinpaint_fast.models import DEFAULT, Model, load_model
from faceinpaint_fast.pipeline import Inpainter

# images (B, H, W, 3) in [0, 1] with holes (B, H, W) and a seed an image -> restored images (B, H, W, 3)
Restore = Callable[[NDArray[np.float64], NDArray[np.bool_], Sequence[int]], NDArray[np.float64]]

RIVALS = ("DIP", "TV", "PatchMatch", "harmonic", "biharmonic", "Telea")
METHODS = (*PRESETS, *RIVALS)
GENERATED = "-generated"  # behind a preset's name: G(z^) is judged as it is, in place of the restored image
ALONE = tuple(f"{name}{GENERATED}" for name in PRESETS)
ENLARGED = f"{DEFAULT}-enlarged"  # faces of another size and framing by the default model, as a photograph's are
DIP_ITERATIONS = 1500  # of Yeh et al. 2017
LIBRARIES = {"Telea": "cv2"}  # without which the package can do, and a method cannot


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A way to restore images, with what decides its result: numbers that JSON can hold, and a generator's SHA-256."""

    restore: Restore
    config: Mapping[str, Any] = field(default_factory=dict)
    model: str | None = None


def available(names: Sequence[str], model: Model) -> tuple[list[str], list[str]]:
    """Returns the methods to run, and for each that must be left out a line that says why.

    No names are all METHODS; those of ALONE run if named.  Raises InputError for an unknown name, and for a named
    method whose library is missing.
    """
    unknown = [name for name in names if name not in (*METHODS, *ALONE, ENLARGED)]
    if unknown:
        expected = f"some of {', '.join(METHODS)}, {ENLARGED!r} or a preset's with {GENERATED} behind it"
        raise InputError(f"methods: expected {expected}, got {unknown[0]!r}")
    chosen = list(dict.fromkeys(names or METHODS))
    absent = [name for name in chosen if name in LIBRARIES and find_spec(LIBRARIES[name]) is None]
    if absent and names:
        raise InputError(f"methods: expected the library {LIBRARIES[absent[0]]} for {absent[0]}, got none")
    notes = [f"{name} is left out: it needs the library {LIBRARIES[name]}" for name in absent]
    if not names and model.config.normalization is None:
        bounded = [name for name, preset in PRESETS.items() if preset.normalization == "model"]
        notes += [f"{name} is left out: it needs the bounds that faceinpaint calibrate finds" for name in bounded]
        absent += bounded
    return [name for name in chosen if name not in absent], notes


def build(
    names: Sequence[str],
    *,
    model: Model,
    device: torch.device,
    precision: Precision,
    settings: Mapping[str, str] = types.MappingProxyType({}),
) -> dict[str, Method]:
    """Returns the methods of these names, with the model's networks for those that search.

    settings  fields of the engine's config that are to differ from its presets, as text

    Raises InputError for a setting that is none, and for a preset that asks for bounds which the model lacks.
    """
    differing = {"precision": precision, **settings}
    # a mistake is refused whatever the methods are; all settings have a meaning for the paper, whose optimiser is Adam
    PRESETS["paper"].with_settings(differing)
    presets = {name: name.removesuffix(GENERATED) for name in names}
    configs = {name: PRESETS[preset].with_settings(differing) for name, preset in presets.items() if preset in PRESETS}
    return {
        name: _engine(configs[name], model, device, alone=name in ALONE)
        if name in configs
        else _enlarged(model, device, differing)
        if name == ENLARGED
        else _rival(name, model, device, precision)
        for name in names
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Methods that were asked for, and what `build` makes them of; another process can make them, too.

    names      of them, by what they are called
    model      on the CPU
    precision  and settings: as of `build`
    """

    names: Mapping[str, str]
    model: Model
    precision: Precision
    settings: Mapping[str, str] = field(default_factory=dict)

    def built(self, device: torch.device) -> dict[str, Method]:
        """Returns the methods by what they are called; InputError as of `build`."""
        names = [*self.names.values()]
        found = build(names, model=self.model, device=device, precision=self.precision, settings=self.settings)
        return {called: found[name] for called, name in self.names.items()}


def _engine(config: InpaintConfig, model: Model, device: torch.device, *, alone: bool) -> Method:
    """Returns the engine as a method; `alone`: what is judged is G(z^), known pixels too, and no restored image."""
    inpainter = Inpainter.of(model, config=config, device=device)
    settings = inpainter.config.settings()
    if config.start == "encoder":
        settings["encoder"] = model.config.sha256.get("encoder")
    if alone:
        settings["judged"] = "generated"

    def restore(images: NDArray[np.float64], holes: NDArray[np.bool_], seeds: Sequence[int]) -> NDArray[np.float64]:
        found = inpainter(images, holes, seed=seeds)
        return found.generated if alone else found.image

    return Method(
        restore=restore,
        config=settings,
        model=model.config.sha256["generator"],
    )


def _enlarged(model: Model, device: torch.device, settings: Mapping[str, Any]) -> Method:
    """Returns the default model as a method for faces of another's size and framing.

    It draws its own square of each, which lies where the framings say; T is enlarged, and blended at the faces' size.
    """
    from faceinpaint_fast.photo.restorer import Restorer

    config, other = InpaintConfig().with_settings(settings), load_model()
    restorer = Restorer.of(other, config=config, device=device, detector=lambda _: [])
    faces = model.config.framing.detected_in(model.config.size)[None]

    def restore(images: NDArray[np.float64], holes: NDArray[np.bool_], seeds: Sequence[int]) -> NDArray[np.float64]:
        return np.stack(
            [
                restorer(image, hole, faces=faces, mirror="off", seed=seed).image
                for image, hole, seed in zip(images, holes, seeds, strict=True)
            ]
        )

    told = config.settings() | {"encoder": other.config.sha256.get("encoder")}
    return Method(restore=restore, config=told, model=other.config.sha256["generator"])


def _rival(name: str, model: Model, device: torch.device, precision: Precision) -> Method:
    # a rival's own libraries and kernels are loaded with it alone
    module = importlib.import_module(f"faceinpaint_fast.evaluation.rivals.{name.lower()}")
    if name == "DIP":
        config = {"iterations": DIP_ITERATIONS, "precision": precision}
        return Method(
            restore=module.DIP(model.generator, model.discriminator, **config, device=device),
            config=_constants(module) | config,
            model=model.config.sha256["generator"],
        )
    function = getattr(module, name.lower())

    def restore(images: NDArray[np.float64], holes: NDArray[np.bool_], seeds: Sequence[int]) -> NDArray[np.float64]:
        return function(images, holes, seeds=seeds) if name == "PatchMatch" else function(images, holes)

    return Method(restore=restore, config=_constants(module))


def _constants(module: types.ModuleType) -> dict[str, Any]:
    """Returns what a module fixes in capitals, numbers and words: with other ones it is another method."""
    kinds = (int, float, str, tuple)
    return {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, kinds)}
