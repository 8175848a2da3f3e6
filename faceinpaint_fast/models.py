"""A model folder: config.json, generator.safetensors, discriminator.safetensors and perhaps encoder.safetensors.

config.json names the architecture, what images the networks draw and judge, and the SHA-256 of every weight file, and
holds what training and calibration found out.  Convolution weights are stored as float16, everything else as float32;
all are computed with in float32.  Nothing in the folder is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from faceinpaint_fast.config import InpaintConfig, Normalization
from faceinpaint_fast.errors import InputError, ModelError
from faceinpaint_fast.files import write_atomically
from faceinpaint_fast.framing import CELEBA_108, Framing
from faceinpaint_fast.networks.dcgan import DCGAN, DCGANDiscriminator, DCGANEncoder, DCGANGenerator

SHIPPED = files("faceinpaint_fast") / "weights"  # models by name; a Path, unless the package lies in a zip file
DEFAULT = "faces64"
ARCHITECTURE, FORMAT = "dcgan", 2
MAX_SIZE = 4096  # pixels, channels or latent variables; far more than any DCGAN has
# what was not said in format 1
FORMAT_1 = {"size": 64, "channels": 3, "framing": asdict(CELEBA_108)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """What config.json says of a model.

    size, channels  of the images that it draws and judges, (channels, size, size)
    framing         which square of an aligned picture these are
    latent_size     how many numbers a code has
    width           number of channels of G and D at half the size
    encoder_width   the same of the encoder; None: there is none
    sha256          of every weight file, by the network's name
    data, licence   what it learnt from, and what it may be used for, in words
    training, encoder, calibration, frechet
                    what was found out by the run that G and D come from, by that of the encoder, and by measurements
    """

    size: int
    channels: int
    framing: Framing
    latent_size: int
    width: int
    encoder_width: int | None = None
    sha256: Mapping[str, str]
    data: str | None = None
    licence: str | None = None
    training: Any = None
    encoder: Any = None
    calibration: Any = None
    frechet: Any = None

    @property
    def normalization(self) -> Normalization | None:
        """The calibrated bounds of Eq. 5 and 6, if the model has been calibrated."""
        if self.calibration is None:
            return None
        return Normalization(**{bound.name: self.calibration[bound.name] for bound in fields(Normalization)})

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> ModelConfig:
        """Returns what is described as config.json does, in this format or an older one.

        Raises ModelError, KeyError, TypeError, ValueError or OverflowError for what describes no model.
        """
        described = dict(described)
        version, architecture = described.pop("format"), described.pop("architecture")
        if version not in (1, FORMAT) or architecture != ARCHITECTURE:
            raise ModelError(f"expected a {ARCHITECTURE} of format 1 or {FORMAT}, got {architecture} of {version}")
        if version == 1:
            described |= FORMAT_1
            if "encoder" in described["sha256"]:
                described["encoder_width"] = described["encoder"]["width"]
        known = {field.name: described[field.name] for field in fields(cls) if field.name in described}
        config = cls(**known | {"framing": Framing.of(described["framing"])})
        sizes = {name: getattr(config, name) for name in ("size", "channels", "width", "latent_size")}
        if "encoder" in config.sha256:
            sizes["encoder_width"] = config.encoder_width
        if not all(type(size) is int and 0 < size <= MAX_SIZE for size in sizes.values()):
            found = ", ".join(f"{name} {size!r}" for name, size in sizes.items())
            raise ModelError(f"expected sizes between 1 and {MAX_SIZE}, got {found}")
        networks = ["generator", "discriminator"] + ["encoder"] * (config.encoder_width is not None)
        _ = [config.sha256[name] for name in networks], config.normalization
        return config

    def describe(self) -> dict[str, Any]:
        """Returns what config.json holds."""
        told = {name: value for name, value in asdict(self).items() if value is not None}
        return {"format": FORMAT, "architecture": ARCHITECTURE} | told


@dataclass(frozen=True, slots=True)
class Model:
    """G, D and an encoder, if there is one, in eval mode on the CPU, float32, and what config.json says of them."""

    generator: DCGANGenerator
    discriminator: DCGANDiscriminator
    encoder: DCGANEncoder | None
    config: ModelConfig

    @property
    def networks(self) -> dict[str, DCGAN]:
        """The networks that there are, by the names of their files."""
        named = {"generator": self.generator, "discriminator": self.discriminator, "encoder": self.encoder}
        return {name: network for name, network in named.items() if network is not None}

    def resolved(self, config: InpaintConfig) -> InpaintConfig:
        """Returns the config with this model's own bounds where it asks for them; InputError where there are none."""
        if config.normalization != "model":
            return config
        if self.config.normalization is None:
            raise InputError("normalization: expected bounds that faceinpaint calibrate found for the model, got none")
        return replace(config, normalization=self.config.normalization)


def shipped() -> dict[str, Traversable]:
    """Returns the folders of the models that are installed with the package, by name."""
    # a program that the package was frozen into may have left them out
    folders = SHIPPED.iterdir() if SHIPPED.is_dir() else ()
    return {folder.name: folder for folder in sorted(folders, key=lambda folder: folder.name) if folder.is_dir()}


def place_of(model: Path | str | None) -> Traversable:
    """Returns the folder of a model, given by itself or by its name; none: the default."""
    if not isinstance(model, str | PathLike | None):
        raise InputError(f"model: expected a path or the name of a model, got {model!r}")
    name = DEFAULT if model is None else str(model)
    return SHIPPED / name if name == DEFAULT or name in shipped() else Path(name)


def listed() -> Iterator[tuple[str, list[str]]]:
    """Yields of each installed model its name, and its images, data, licence and digests, in words."""
    for name, folder in shipped().items():
        config = read_config(folder)
        told = [f"{config.size}x{config.size}, {config.framing.name}", config.data, config.licence]
        told += [f"{network} sha256 {digest}" for network, digest in config.sha256.items()]
        yield name, [each for each in told if each is not None]


def load_model(model: Path | str | None = None) -> Model:
    """Returns the model of that name, or of a folder, by default "faces64".

    Raises ModelError that says what is wrong with it.
    """
    place = place_of(model)
    config = read_config(place)
    # without memory of their own: what config.json claims must not cost more than the weights that are there
    images: dict[str, Any] = {"size": config.size, "channels": config.channels, "device": "meta"}
    encoder = None
    try:
        generator = DCGANGenerator(**images, width=config.width, latent_size=config.latent_size)
        discriminator = DCGANDiscriminator(**images, width=config.width)
        if config.encoder_width is not None:
            encoder = DCGANEncoder(**images, width=config.encoder_width, latent_size=config.latent_size)
    except InputError as error:
        raise ModelError(f"{place / 'config.json'}: {error}") from error
    loaded = Model(generator, discriminator, encoder, config)
    for name, network in loaded.networks.items():
        _load_weights(network, place / f"{name}.safetensors", config.sha256[name])
    return loaded


def read_config(folder: Traversable) -> ModelConfig:
    """Returns what config.json of a model folder says; raises ModelError for what describes no model."""
    path = folder / "config.json"
    try:
        described = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        names = ", ".join(shipped())
        expected = f"a model folder, or the name of a model that is installed ({names})"
        raise ModelError(f"{folder}: expected {expected}, got no config.json there") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path}: expected JSON, got: {error}") from error
    if not isinstance(described, dict):
        raise ModelError(f"{path}: expected an object, got {type(described).__name__}")
    try:
        return ModelConfig.of(described)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{path}: expected a model's description, got: {error!r}") from error


def save_model(
    folder: Path, generator: DCGANGenerator, discriminator: DCGANDiscriminator, *, framing: Framing, training: Any
) -> None:
    """Writes a model folder; the old weights' encoder and what was measured of them go with them.

    Each file is replaced atomically, config.json last: a kill in between leaves a folder that `load_model` refuses.
    Raises ModelError, with nothing written, if a parameter is not finite.
    """
    digests = _write_weights(folder, {"generator": generator, "discriminator": discriminator})
    config = ModelConfig(
        size=generator.size,
        channels=generator.channels,
        framing=framing,
        latent_size=generator.latent_size,
        width=generator.width,
        sha256=digests,
        training=training,
    )
    _write_config(folder, config)


def save_encoder(folder: Path, model: Model, encoder: DCGANEncoder, *, training: Any) -> None:
    """Puts an encoder into the folder that its model was loaded from.

    Raises ModelError if another generator is there by now, or if a parameter is not finite.
    """
    config = read_config(folder)
    if config.sha256["generator"] != model.config.sha256["generator"]:
        raise ModelError(f"{folder}: expected the generator it was trained for, got another that was written since")
    digests = {name: digest for name, digest in config.sha256.items() if name != "encoder"}
    # first without: a kill before the end leaves a model that can be loaded
    _write_config(folder, replace(config, sha256=digests, encoder_width=None, encoder=None))
    digests |= _write_weights(folder, {"encoder": encoder})
    _write_config(folder, replace(config, sha256=digests, encoder_width=encoder.width, encoder=training))


def save_measured(folder: Path, model: Model, name: Literal["calibration", "frechet"], found: Any) -> None:
    """Writes what was measured of a model into its folder; raises ModelError if other weights are there by now."""
    # anew: a training run that goes on may have replaced the weights meanwhile, and this was not found of them
    config = read_config(folder)
    if config.sha256 != model.config.sha256:
        raise ModelError(f"{folder}: expected the weights that were measured, got others that were written since")
    _write_config(folder, replace(config, **{name: found}))


def _write_config(folder: Path, config: ModelConfig) -> None:
    text = json.dumps(config.describe(), indent=2) + "\n"
    write_atomically(folder / "config.json", lambda file: file.write(text.encode()))


def _write_weights(folder: Path, networks: Mapping[str, nn.Module]) -> dict[str, str]:
    """Writes the networks' parameters and returns their files' SHA-256."""
    files = {}
    for name, network in networks.items():
        stored = {key: _stored(tensor) for key, tensor in network.state_dict().items()}
        if not all(torch.isfinite(tensor).all() for tensor in stored.values()):
            raise ModelError(f"{folder}: expected a {name} with finite weights, got NaN or Inf: nothing is written")
        files[name] = safetensors.torch.save(stored)
    for name, weights in files.items():
        write_atomically(folder / f"{name}.safetensors", lambda file, weights=weights: file.write(weights))  # type: ignore[misc]
    return {name: hashlib.sha256(weights).hexdigest() for name, weights in files.items()}


def _stored(tensor: Tensor) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    # convolutions only: a running variance may lie outside the range of float16
    return tensor.half() if tensor.ndim == 4 else tensor


def _load_weights(network: nn.Module, path: Traversable, digest: str) -> None:
    try:
        weights = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: expected the weights, got: {error}") from error
    found = hashlib.sha256(weights).hexdigest()
    if found != digest:
        raise ModelError(f"{path}: expected SHA-256 {digest}, got {found}")
    try:
        dtypes = {key: tensor.dtype for key, tensor in network.state_dict().items()}
        stored = safetensors.torch.load(weights)
        # an unknown name keeps its dtype, for load_state_dict to complain about
        tensors = {key: tensor.to(dtypes.get(key, tensor.dtype)) for key, tensor in stored.items()}
        network.load_state_dict(tensors, assign=True)
    except (safetensors.SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise ModelError(f"{path}: expected {type(network).__name__}'s weights, got: {error}") from error
    if not all(torch.isfinite(tensor).all() for tensor in network.state_dict().values()):
        raise ModelError(f"{path}: expected finite weights, got NaN or Inf")
    network.eval().requires_grad_(False)
