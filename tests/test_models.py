"""A model folder: what is saved is what is loaded, and whatever is wrong with one is a ModelError, never code run."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
from io import BytesIO

import numpy as np
import pytest
import safetensors.torch
import torch
from torch.testing import assert_close

from faceinpaint_fast import models as checkpoint
from faceinpaint_fast.config import Normalization
from faceinpaint_fast.errors import ModelError
from faceinpaint_fast.framing import CELEBA_108, CELEBA_148, Framing
from faceinpaint_fast.models import load_model, read_config, save_encoder, save_measured, save_model
from faceinpaint_fast.networks.dcgan import DCGANDiscriminator, DCGANEncoder, DCGANGenerator

BOUNDS = {"s_min": 0.1, "s_max": 0.8, "c_min": 700.0, "c_max": 5000.0}


@pytest.fixture
def folder(tmp_path, generator, discriminator):
    """A model folder with the tests' small networks."""
    save_model(tmp_path / "model", generator, discriminator, framing=CELEBA_108, training={"images": 640})
    return tmp_path / "model"


def change(folder, **entries):
    config = json.loads((folder / "config.json").read_text()) | entries
    (folder / "config.json").write_text(json.dumps(config))


def replace_weights(folder, data, name="generator"):
    """Other bytes for a weight file, with config.json's SHA-256 to match."""
    (folder / f"{name}.safetensors").write_bytes(data)
    digests = {**read_config(folder).sha256, name: hashlib.sha256(data).hexdigest()}
    change(folder, sha256=digests)


def refused(folder, message):
    with pytest.raises(ModelError, match=message) as caught:
        load_model(folder)
    # main() prints one line of it, which must say which model it is about
    assert str(folder) in str(caught.value)


def test_a_model_comes_back_with_its_outputs(folder, generator, discriminator, rng):
    loaded = load_model(folder)
    assert not loaded.generator.training
    assert not loaded.discriminator.training
    for network in (loaded.generator, loaded.discriminator):
        for name, tensor in network.state_dict().items():
            assert tensor.device == torch.device("cpu")
            assert tensor.dtype == (torch.int64 if name.endswith("num_batches_tracked") else torch.float32)
        assert not any(parameter.requires_grad for parameter in network.parameters())

    # stored: convolutions as float16, everything else as it is
    for network in (generator, discriminator):
        for module in network.modules():
            if isinstance(module, torch.nn.Conv2d | torch.nn.ConvTranspose2d):
                module.weight.data = module.weight.data.half().float()
    z = torch.from_numpy(rng.standard_normal((3, 100), dtype="float32"))
    with torch.no_grad():
        x = generator(z)
        assert_close(loaded.generator(z), x, rtol=0, atol=0)
        assert_close(loaded.discriminator(x), discriminator(x), rtol=0, atol=0)
    assert x.std() > 0.1


def test_loading_leaves_torchs_random_numbers_alone(folder):
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    load_model(folder)
    assert_close(torch.rand(3), expected, rtol=0, atol=0)


def test_a_models_latent_size_and_width_are_its_own(tmp_path):
    save_model(
        tmp_path, DCGANGenerator(width=2, latent_size=7), DCGANDiscriminator(width=2), framing=CELEBA_108, training={}
    )
    assert load_model(tmp_path).generator.latent_size == 7
    assert load_model(str(tmp_path)).generator(torch.zeros(1, 7)).shape == (1, 3, 64, 64)


def test_config_says_what_the_model_is(folder):
    described = json.loads((folder / "config.json").read_text())
    digests = described.pop("sha256")
    assert described == {
        "format": 2,
        "architecture": "dcgan",
        "size": 64,
        "channels": 3,
        "framing": {
            "name": "celeba-108",
            "x": 35,
            "y": 55,
            "side": 108,
            "picture": [178, 218],
            "points": [[69.35, 111.3], [107.6, 111.4], [88.0, 134.5], [72.5, 152.0], [105.5, 152.0]],
        },
        "width": 4,
        "latent_size": 100,
        "training": {"images": 640},
    }
    for name, digest in digests.items():
        assert hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest() == digest
    assert set(digests) == {"generator", "discriminator"}
    config = read_config(folder)
    assert (config.framing, config.encoder_width, config.training) == (CELEBA_108, None, {"images": 640})


def test_a_folder_of_format_1_is_of_64_pixels_and_celeba_108(folder, encoder):
    save_encoder(folder, load_model(folder), encoder, training={"width": 4, "images": 8})
    described = json.loads((folder / "config.json").read_text())
    old = {
        key: value for key, value in described.items() if key not in ("size", "channels", "framing", "encoder_width")
    }
    (folder / "config.json").write_text(json.dumps(old | {"format": 1}))
    config = load_model(folder).config
    assert config.describe() == described | {"framing": dataclasses.asdict(CELEBA_108)}
    # what is found out next is written in today's format
    save_measured(folder, load_model(folder), "frechet", {"hog": 0.5})
    assert json.loads((folder / "config.json").read_text()) == described | {"frechet": {"hog": 0.5}}


def test_the_shipped_model_is_of_64_pixels_and_celeba_108():
    config = read_config(checkpoint.place_of(None))
    assert (config.size, config.channels, config.framing) == (64, 3, CELEBA_108)
    assert (config.width, config.encoder_width, config.latent_size) == (64, 64, 100)


@pytest.mark.parametrize("framing", [CELEBA_148, Framing.parse("3,5,20")], ids=lambda framing: framing.name)
def test_a_models_size_and_framing_are_its_own(tmp_path, framing):
    networks = DCGANGenerator(size=32, width=2), DCGANDiscriminator(size=32, width=2)
    save_model(tmp_path, *networks, framing=framing, training={})
    save_encoder(tmp_path, load_model(tmp_path), DCGANEncoder(size=32, width=3), training={})
    model = load_model(tmp_path)
    assert (model.config.size, model.config.framing, model.config.encoder_width) == (32, framing, 3)
    x = model.generator(torch.zeros(1, 100))
    assert x.shape == (1, 3, 32, 32)
    assert model.discriminator(x).shape == (1,)
    assert model.encoder(torch.zeros(1, 4, 32, 32)).shape == (1, 100)


def test_convolutions_take_two_bytes_a_weight(folder, generator):
    stored = safetensors.torch.load_file(folder / "generator.safetensors")
    for name, tensor in generator.state_dict().items():
        assert stored[name].dtype == (torch.float16 if tensor.ndim == 4 else tensor.dtype), name


def test_an_uncalibrated_model_has_no_bounds(folder):
    assert load_model(folder).config.normalization is None


def test_calibration_is_kept_until_the_weights_change(folder, generator, discriminator):
    save_measured(folder, load_model(folder), "calibration", BOUNDS | {"samples": 3})
    assert load_model(folder).config.normalization == Normalization(**BOUNDS)
    save_model(folder, generator, discriminator, framing=CELEBA_108, training={})
    assert load_model(folder).config.normalization is None


def test_a_model_goes_by_its_name_or_its_folder(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "SHIPPED", folder.parent)
    monkeypatch.setattr(checkpoint, "DEFAULT", folder.name)
    monkeypatch.chdir(folder.parent.parent)
    for model in (None, folder.name, folder, str(folder)):
        assert load_model(model).config.training == {"images": 640}
    assert folder.name in checkpoint.shipped()


def test_a_missing_folder(tmp_path):
    expected = r"expected a model folder, or the name of a model that is installed \(.*faces64.*\), "
    refused(tmp_path / "nowhere", expected + "got no config.json there")


def test_an_empty_folder_and_a_file_for_a_folder(tmp_path):
    refused(tmp_path, "got no config.json there")
    (tmp_path / "file").write_text("{}")
    refused(tmp_path / "file", "got no config.json there")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected JSON"),
        ("{", "expected JSON"),
        ("\udcff", "expected JSON"),
        ("[" * 100_000, "expected JSON"),
        ("[1, 2]", "expected an object, got list"),
        ('"dcgan"', "expected an object, got str"),
        ("null", "expected an object, got NoneType"),
        ("{}", "expected a model's description, got: KeyError"),
    ],
    ids=lambda value: value[:10],
)
def test_a_config_that_is_no_config(folder, text, message):
    (folder / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    refused(folder, message)


@pytest.mark.parametrize("key", ["format", "architecture", "size", "framing", "width", "latent_size", "sha256"])
def test_a_config_without_a_key(folder, key):
    described = json.loads((folder / "config.json").read_text())
    del described[key]
    (folder / "config.json").write_text(json.dumps(described))
    refused(folder, f"expected a model's description, got: .*'{key}'")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"format": 3}, "expected a dcgan of format 1 or 2, got dcgan of 3"),
        ({"architecture": "stylegan"}, "expected a dcgan of format 1 or 2, got stylegan of 2"),
        ({"size": 100}, "size: expected one of 32, 64, 128, 256, got 100"),
        ({"size": 64.0}, "expected sizes between"),
        ({"channels": 0}, "expected sizes between"),
        ({"framing": "celeba-108"}, "expected a model's description, got: TypeError"),
        ({"framing": dataclasses.asdict(CELEBA_108) | {"side": 0}}, "framing: expected whole x, y"),
        ({"width": "4"}, "expected sizes between"),
        ({"width": 4.0}, "expected sizes between"),
        ({"width": True}, "expected sizes between"),
        ({"width": None}, "expected sizes between"),
        ({"width": 0}, "expected sizes between"),
        ({"width": -4}, "expected sizes between"),
        ({"width": 10**30}, "expected sizes between"),
        ({"latent_size": [100]}, "expected sizes between"),
        ({"latent_size": 0}, "expected sizes between"),
        ({"latent_size": 10**9}, "expected sizes between"),
        ({"sha256": None}, "expected a model's description"),
        ({"sha256": "abc"}, "expected a model's description"),
        ({"sha256": {}}, "expected a model's description, got: KeyError"),
        ({"sha256": {"generator": 1, "discriminator": 2}}, "expected SHA-256 1"),
        # none of these fits the weights that are there, and none costs the memory that it claims
        ({"width": 5}, "expected DCGANGenerator's weights, got:.*size mismatch"),
        ({"width": 4096, "latent_size": 4096}, "expected DCGANGenerator's weights, got:.*size mismatch"),
        ({"latent_size": 99}, "expected DCGANGenerator's weights, got:.*size mismatch"),
        ({"size": 128}, "expected DCGANGenerator's weights, got:.*Missing key"),
    ],
    ids=str,
)
def test_a_config_that_describes_no_model(folder, entries, message):
    change(folder, **entries)
    refused(folder, re.compile(message, re.DOTALL))


@pytest.mark.parametrize(
    "calibration",
    [
        {},
        [],
        "none",
        BOUNDS | {"s_min": 0.9},
        BOUNDS | {"c_max": float("nan")},
        BOUNDS | {"c_min": "700"},
        BOUNDS | {"c_max": 10**400},
    ],
    ids=str,
)
def test_a_calibration_with_bad_bounds(folder, calibration):
    change(folder, calibration=calibration)
    refused(folder, r"config\.json: expected a model's description")


@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_a_weight_file_that_is_missing_cut_short_or_changed(folder, name):
    path = folder / f"{name}.safetensors"
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 1
    for data in (whole[:-1], whole[: len(whole) // 2], whole + b"\0", b"", bytes(flipped)):
        path.write_bytes(data)
        refused(folder, rf"{name}\.safetensors: expected SHA-256 {hashlib.sha256(whole).hexdigest()}, got")
    path.unlink()
    refused(folder, rf"{name}\.safetensors: expected the weights, got:.*No such file")
    path.mkdir()
    refused(folder, rf"{name}\.safetensors: expected the weights, got:.*directory")
    path.rmdir()
    path.write_bytes(whole)
    load_model(folder)


@pytest.mark.parametrize("share", [0, 0.001, 0.5])
def test_a_truncated_weight_file_with_a_sha256_to_match(folder, share):
    whole = (folder / "generator.safetensors").read_bytes()
    replace_weights(folder, whole[: int(share * len(whole))])
    refused(folder, "expected DCGANGenerator's weights")


def bits_flipped(path, count, rng):
    """Yields the places of bits all over a file while one after the other is flipped."""
    whole = path.read_bytes()
    for place in rng.permuted(np.linspace(0, 8 * len(whole) - 1, count).astype(int)):
        changed = bytearray(whole)
        changed[place // 8] ^= 1 << place % 8
        path.write_bytes(changed)
        yield place
    path.write_bytes(whole)


def refusal_of(folder):
    """What load_model says against a folder, if anything."""
    try:
        load_model(folder)
    except ModelError as error:
        return str(error)
    return ""


def check_bits_of_weights(folder, name, count, rng):
    """Each is noticed."""
    for place in bits_flipped(folder / f"{name}.safetensors", count, rng):
        assert re.search(rf"{name}\.safetensors: expected SHA-256 \w{{64}}, got", refusal_of(folder)), place
    load_model(folder)


def check_bits_of_the_config(folder, count, rng):
    """Each is refused, or leaves the same networks: figures and names that are merely told may be others."""
    networks, refused = load_model(folder).networks.keys(), 0
    for place in bits_flipped(folder / "config.json", count, rng):
        if refusal := refusal_of(folder):
            assert str(folder) in refusal
            refused += 1
        else:
            assert load_model(folder).networks.keys() == networks, place
    # of the small models' descriptions a third is digests alone
    assert refused > count / 3


def test_a_bit_that_is_another(small_model, tmp_path, rng):
    """1,000 of each file: tests/faults."""
    folder = shutil.copytree(small_model, tmp_path / "model")
    for name in ("generator", "discriminator", "encoder"):
        check_bits_of_weights(folder, name, 20, rng)
    check_bits_of_the_config(folder, 60, rng)


def test_an_encoder_without_a_digest(small_model, tmp_path):
    folder = shutil.copytree(small_model, tmp_path / "model")
    change(folder, sha256={name: digest for name, digest in read_config(folder).sha256.items() if name != "encoder"})
    refused(folder, r"expected a model's description, got: KeyError\('encoder'\)")


class Malicious:
    """Unpickled, this makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_poses_as_weights_is_not_run(folder, tmp_path, generator, zipped):
    proof, pickled = tmp_path / "executed", BytesIO()
    state = generator.state_dict() | {"layers.0.weight": Malicious(proof)}
    torch.save(state, pickled, _use_new_zipfile_serialization=zipped)
    torch.load(BytesIO(pickled.getvalue()), weights_only=False)
    assert proof.exists(), "the trap must work"
    proof.rmdir()

    for name, network in (("generator", "DCGANGenerator"), ("discriminator", "DCGANDiscriminator")):
        whole = (folder / f"{name}.safetensors").read_bytes()
        replace_weights(folder, pickled.getvalue(), name)
        refused(folder, f"expected {network}'s weights")
        replace_weights(folder, whole, name)
    assert not proof.exists()
    load_model(folder)


def test_the_other_networks_weights(folder):
    shutil.copy(folder / "discriminator.safetensors", folder / "generator.safetensors")
    replace_weights(folder, (folder / "discriminator.safetensors").read_bytes())
    refused(folder, re.compile("expected DCGANGenerator's weights, got:.*Missing key", re.DOTALL))


def test_weights_of_another_width(folder):
    other = DCGANDiscriminator(width=5).state_dict()
    replace_weights(folder, safetensors.torch.save(other), "discriminator")
    refused(folder, re.compile("expected DCGANDiscriminator's weights, got:.*size mismatch", re.DOTALL))


@pytest.mark.parametrize("name", ["extra", "layers.0.weight"])
def test_weights_with_a_name_too_many_or_too_few(folder, generator, name):
    state = generator.state_dict()
    if name in state:
        del state[name]
    else:
        state[name] = torch.zeros(3)
    replace_weights(folder, safetensors.torch.save(state))
    refused(folder, re.compile(f"expected DCGANGenerator's weights, got:.*{name}", re.DOTALL))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("key", ["layers.0.weight", "layers.1.running_var"])
def test_weights_that_are_not_finite(folder, generator, key, value):
    state = generator.state_dict()
    state[key].view(-1)[0] = value
    replace_weights(folder, safetensors.torch.save(state))
    refused(folder, r"generator\.safetensors: expected finite weights, got NaN or Inf")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 7e4])
def test_weights_that_are_not_finite_are_not_saved(folder, generator, discriminator, value):
    """7e4 is finite, but float16 ends at 65504."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with torch.no_grad():
        discriminator.layers[0].weight[0, 0, 0, 0] = value
    with pytest.raises(ModelError, match="expected a discriminator with finite weights"):
        save_model(folder, generator, discriminator, framing=CELEBA_108, training={})
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("victim", ["discriminator.safetensors", "config.json"])
def test_a_kill_between_two_files_leaves_no_model(folder, generator, discriminator, monkeypatch, victim):
    """Half of the old model and half of the new one must not pass for a model."""

    def killed_before(path, write):
        if path.name == victim:
            raise KeyboardInterrupt
        write_atomically(path, write)

    write_atomically = checkpoint.write_atomically
    monkeypatch.setattr(checkpoint, "write_atomically", killed_before)
    with torch.no_grad():
        generator.layers[-2].bias += 1
        discriminator.layers[0].bias += 1
    with pytest.raises(KeyboardInterrupt):
        save_model(folder, generator, discriminator, framing=CELEBA_108, training={})
    refused(folder, "expected SHA-256")


def test_saving_leaves_nothing_but_the_model(folder):
    assert {path.name for path in folder.iterdir()} == {
        "config.json",
        "generator.safetensors",
        "discriminator.safetensors",
    }


def test_a_model_is_float32_whatever_torch_s_defaults(folder, other_defaults):
    expected = load_model(folder).generator.state_dict()
    other_defaults()
    for name, tensor in load_model(folder).generator.state_dict().items():
        assert (tensor.dtype, tensor.device) == (expected[name].dtype, torch.device("cpu"))
        assert torch.equal(tensor, expected[name]), name
