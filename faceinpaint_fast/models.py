"""A model folder: config.json, generator.safetensors, discriminator.safetensors and perhaps encoder.safetensors.

config.json names the architecture and the SHA-256 of every weight file, and holds what training and calibration
found out.  Convolution weights are stored as float16, everything else as float32; all are computed with in float32.
Nothing in the folder is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from faceinpaint_fast.config import InpaintConfig, Normalization
from faceinpaint_fast.errors import InputError, ModelError
from faceinpaint_fast.images import write_atomically
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANEncoder, DCGANGenerator

SHIPPED = Path(__file__).parent / "weights"
FORMAT = 1
MAX_SIZE = 4096  # channels or latent variables; far more than any DCGAN has


@dataclass(frozen=True, slots=True)
class Model:
    """G, D and an encoder, if there is one, in eval mode on the CPU, float32, and what config.json says of them."""

    generator: DCGANGenerator
    discriminator: DCGANDiscriminator
    config: dict[str, Any]
    encoder: DCGANEncoder | None = None

    @property
    def normalization(self) -> Normalization | None:
        """Calibrated bounds of Eq. 5 and 6, if the model has been calibrated."""
        calibration = self.config.get("calibration")
        if calibration is None:
            return None
        return Normalization(**{name: calibration[name] for name in ("s_min", "s_max", "c_min", "c_max")})

    def resolved(self, config: InpaintConfig) -> InpaintConfig:
        """Returns the config with this model's own bounds where it asks for them; InputError where there are none."""
        if config.normalization != "model":
            return config
        if self.normalization is None:
            raise InputError("normalization: expected bounds that faceinpaint calibrate found for the model, got none")
        return replace(config, normalization=self.normalization)


def load_model(folder: Path | str | None = None) -> Model:
    """Load a model folder, the shipped one by default; ModelError says what is wrong with it."""
    folder = SHIPPED if folder is None else Path(folder)
    config = read_config(folder)
    try:
        if config["format"] != FORMAT or config["architecture"] != "dcgan":
            raise ModelError(
                f"{folder}: expected a dcgan of format {FORMAT}, got {config['architecture']} of {config['format']}"
            )
        width, latent_size, digests = config["width"], config["latent_size"], config["sha256"]
        _check_sizes(folder, width=width, latent_size=latent_size)
        # without memory of their own: what config.json claims must not cost more than the weights that are there
        with torch.device("meta"):
            generator = DCGANGenerator(width=width, latent_size=latent_size)
            discriminator = DCGANDiscriminator(width=width)
        _load_weights(generator, folder / "generator.safetensors", digests["generator"])
        _load_weights(discriminator, folder / "discriminator.safetensors", digests["discriminator"])
        encoder = None
        if "encoder" in digests:
            width = config["encoder"]["width"]
            _check_sizes(folder, width=width)
            with torch.device("meta"):
                encoder = DCGANEncoder(width=width, latent_size=latent_size)
            _load_weights(encoder, folder / "encoder.safetensors", digests["encoder"])
        model = Model(generator, discriminator, config, encoder)
        _ = model.normalization
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ModelError(f"{folder / 'config.json'}: expected a model's description, got: {error!r}") from error
    return model


def _check_sizes(folder: Path, **sizes: Any) -> None:
    if not all(type(size) is int and 0 < size <= MAX_SIZE for size in sizes.values()):
        found = ", ".join(f"{name} {size!r}" for name, size in sizes.items())
        raise ModelError(f"{folder}: expected sizes between 1 and {MAX_SIZE}, got {found}")


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a model folder."""
    try:
        config = json.loads((folder / "config.json").read_text())
    except FileNotFoundError:
        raise ModelError(f"{folder}: expected a model folder, got no config.json there") from None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{folder / 'config.json'}: expected JSON, got: {error}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{folder / 'config.json'}: expected an object, got {type(config).__name__}")
    return config


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Replace config.json, atomically."""
    write_atomically(folder / "config.json", lambda file: file.write((json.dumps(config, indent=2) + "\n").encode()))


def save_model(
    folder: Path, generator: DCGANGenerator, discriminator: DCGANDiscriminator, *, width: int, training: dict[str, Any]
) -> None:
    """Write a model folder; the old weights' calibration and encoder go with them.

    Each file is replaced atomically, config.json last: a kill in between leaves a folder that `load_model` refuses.
    Raises ModelError, with nothing written, if a weight is not finite.
    """
    digests = _write_weights(folder, {"generator": generator, "discriminator": discriminator})
    sizes = {"width": width, "latent_size": generator.latent_size}
    config = {"format": FORMAT, "architecture": "dcgan", **sizes, "sha256": digests, "training": training}
    write_config(folder, config)


def save_encoder(folder: Path, model: Model, encoder: DCGANEncoder, *, training: dict[str, Any]) -> None:
    """Put an encoder into the folder that its model was loaded from; ModelError if another is there by now."""
    config = read_config(folder)
    if config.get("sha256", {}).get("generator") != model.config["sha256"]["generator"]:
        raise ModelError(f"{folder}: expected the generator it was trained for, got another that was written since")
    digests = {name: digest for name, digest in config["sha256"].items() if name != "encoder"}
    # first without: a kill before the end leaves a model that can be loaded
    write_config(folder, config | {"sha256": digests})
    digests |= _write_weights(folder, {"encoder": encoder})
    write_config(folder, config | {"sha256": digests, "encoder": training})


def _write_weights(folder: Path, networks: dict[str, nn.Module]) -> dict[str, str]:
    """Their files' SHA-256."""
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


def _load_weights(network: nn.Module, path: Path, digest: str) -> None:
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
