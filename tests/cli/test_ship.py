"""Commands for those who take the engine elsewhere; `export` is in tests/export/test_package.py."""

from __future__ import annotations

import hashlib
import json
import sys

import numpy as np
import pytest
import torch

from faceinpaint_fast import InpaintConfig, arrays
from faceinpaint_fast.doctor import graph_memory
from faceinpaint_fast.models import load_model, read_config, shipped


def test_doctor_tells_versions_and_sha256(faceinpaint, model):
    status, said, err = faceinpaint("doctor", "--model", model)
    assert (status, err) == (0, "")
    findings = dict(line.split(maxsplit=1) for line in said.splitlines())
    assert findings["python"] == ".".join(map(str, sys.version_info[:3]))
    assert findings["torch"] == torch.__version__
    assert findings["numpy"] == np.__version__
    assert f"{torch.get_num_threads()} threads" in findings["processor"]
    assert findings["tuning"] == "none: tables are of GPUs" or torch.cuda.is_available()
    assert "640 images seen" in findings["model"]
    for name in ("generator", "discriminator"):
        digest = hashlib.sha256((model / f"{name}.safetensors").read_bytes()).hexdigest()
        assert findings[name] == f"sha256 {digest}"


def test_tune_writes_a_table_for_a_cuda_device_alone(faceinpaint, refused, monkeypatch):
    assert "device: expected a CUDA device, whose kernels are tuned" in refused("tune", "--device", "cpu")
    pytest.importorskip("triton", reason="Triton is not installed")
    from faceinpaint_fast.benchmarks import tuned, tuner

    asked = []
    monkeypatch.setattr(arrays, "pick_device", torch.device)
    monkeypatch.setattr(tuned, "families", lambda device: [device])
    monkeypatch.setattr(tuner, "tune", lambda families, device, report: asked.append((families, device, report)))
    assert faceinpaint("tune", "--device", "cuda:1") == (0, "", "")
    assert asked == [([torch.device("cuda:1")], torch.device("cuda:1"), print)]


def test_doctor_of_a_model_without_a_past(faceinpaint, model):
    for training in ({}, None, "long"):
        config = read_config(model).describe() | {"training": training}
        (model / "config.json").write_text(json.dumps(config))
        status, said, _ = faceinpaint("doctor", "--model", model)
        assert status == 0
        assert "? images seen" in said


def test_models_are_listed_with_what_they_are(faceinpaint):
    status, said, err = faceinpaint("models")
    assert (status, err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in said.splitlines())
    assert [*lines] == [*shipped()]
    assert "faces64" in lines
    for name, line in lines.items():
        config = load_model(name).config
        for fact in (f"{config.size}x{config.size}, {config.framing.name}", config.data, config.licence):
            assert fact in line
        assert all(digest in line for digest in config.sha256.values())


def test_graphs_are_measured_where_they_are_captured(refused, monkeypatch):
    assert "--graphs: expected a CUDA device" in refused("doctor", "--graphs")

    class Warmed:
        """Keeps a MiB an image of every batch, and leaves as much to the next call."""

        kept, cached = 5 << 20, 0

        @classmethod
        def from_pretrained(cls, model, device):
            assert (model, device) == ("faces64", torch.device("cuda"))
            return cls()

        def warm_up(self, batch):
            Warmed.kept += batch << 20
            Warmed.cached += batch << 20

    monkeypatch.setattr("faceinpaint_fast.pipeline.Inpainter", Warmed)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: Warmed.kept + Warmed.cached)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: setattr(Warmed, "cached", 0))
    told = graph_memory("faces64", torch.device("cuda"), batches=(1, 64))
    assert told == "batches of 1: 1 MiB more, batches of 64: 64 MiB more"


def test_the_page_is_written_as_a_folder_and_as_a_file(faceinpaint, refused, tmp_path):
    from faceinpaint_fast.export import page_folder, search_file

    assert "expected a folder, or --single a file" in refused("page", "faces64")
    wasm = tmp_path / "wasm"
    assert "make wasm" in refused("page", "faces64", "-o", tmp_path / "page", "--wasm", wasm)
    wasm.mkdir()
    for name in page_folder.MODULES:
        (wasm / name).write_bytes(b"\0asm")
    single = tmp_path / "page.html"
    status, said, err = faceinpaint("page", "faces64", "-o", tmp_path / "page", "--single", single, "--wasm", wasm)
    assert (status, err) == (0, "")
    assert "python -m http.server" in said
    search = search_file.searched(load_model("faces64"), InpaintConfig.fast())
    assert (tmp_path / "page" / "engine" / "inpaint.search").read_bytes() == search
    assert "<title>faceinpaint" in single.read_text()


def test_a_search_is_written_as_a_file_for_the_library(faceinpaint, refused, small_model, tmp_path):
    from faceinpaint_fast.export import search_file

    out = tmp_path / "new" / "faces.search"
    status, said, err = faceinpaint("export", small_model, "-o", out, "--config", "fast")
    assert (status, err) == (0, "")
    assert said == f"{out}: 20 steps for any number of images a call; next: csrc/c/faceinpaint_search.h\n"
    assert out.read_bytes() == search_file.searched(load_model(small_model), InpaintConfig.fast())
    for given in (["--blend"], ["--batch", "2"]):
        assert f"neither --batch nor --blend for a .search file, got {' '.join(given)}" in refused(
            "export", small_model, "-o", out, *given
        )
