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


def test_the_page_is_written_as_a_folder_and_as_a_file(faceinpaint, refused, monkeypatch, tmp_path):
    pytest.importorskip("onnxscript", reason="onnxscript is not installed")
    from faceinpaint_fast.export import page_folder

    asked = []
    monkeypatch.setattr(page_folder, "searched", lambda _, config: asked.append(config) or b"a search")
    assert "expected a folder, or --single a file" in refused("page", "faces64")
    blend, runtime = tmp_path / "blend.wasm", tmp_path / "onnxruntime-web"
    parts = ("--blend", blend, "--runtime", runtime)
    assert "make wasm" in refused("page", "faces64", "-o", tmp_path / "page", *parts)
    blend.write_bytes(b"\0asm")
    assert "npm ci" in refused("page", "faces64", "-o", tmp_path / "page", *parts)
    for file in page_folder.OF_RUNTIME:
        (runtime / file).parent.mkdir(parents=True, exist_ok=True)
        (runtime / file).write_bytes(b"")
    single = tmp_path / "page.html"
    status, said, err = faceinpaint("page", "faces64", "-o", tmp_path / "page", "--single", single, *parts)
    assert (status, err) == (0, "")
    assert "python -m http.server" in said
    assert asked == [InpaintConfig.fast()]
    assert (tmp_path / "page" / "engine" / "inpaint.onnx").read_bytes() == b"a search"
    assert "<title>faceinpaint" in single.read_text()
