# `make demo` and `make test` each set everything up first: a virtual environment and the compiled extension.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-fast durations lint bench gpu gpu-build gpu-tests gpu-parity gpu-tune gpu-bench clean

demo: $(READY)
	$(BIN)/faceinpaint demo --out out/demo.png

test: $(READY)
	$(BIN)/python -m pytest

# without what tests/durations.json has as slow; it says which tests these are
test-fast: $(READY)
	$(BIN)/python -m pytest -m "not slow" --durations=0 --durations-min=1

# all tests, and what each of them takes, for test-fast to go by
durations: $(READY)
	$(BIN)/python -m pytest --write-durations

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest benchmarks

# On a machine with an NVIDIA GPU and everything installed but this project, without a network: the tests that need a
# GPU, parity and all benchmarks, with PYTHON; OUT takes what came of them.  The first to run compiles the kernels.
OUT ?= out/gpu
GPU_TESTS := tests/test_gpu.py tests/networks/test_triton_layers.py tests/ops/test_triton_ssim_l1.py \
	tests/search/test_triton_steps.py tests/blend/test_cuda.py
gpu: gpu-tests gpu-parity gpu-bench

gpu-build:
	mkdir -p $(OUT)
	$(PYTHON) -m pip install --quiet --no-build-isolation --no-deps --editable .

gpu-tests: gpu-build
	$(PYTHON) -m pytest $(GPU_TESTS) --junit-xml=$(OUT)/tests.xml

gpu-parity: gpu-build
	$(PYTHON) -m faceinpaint_fast parity --device cuda --out $(OUT)/parity.md

# not part of gpu, since it changes what later runs measure
gpu-tune: gpu-build
	$(PYTHON) -m faceinpaint_fast tune --device cuda

gpu-bench: gpu-build
	$(PYTHON) -m faceinpaint_fast bench --device cuda --out $(OUT)/comparisons.md
	$(PYTHON) -m pytest benchmarks --benchmark-json=$(OUT)/benchmarks.json

$(READY): pyproject.toml constraints.txt CMakeLists.txt $(shell find csrc -type f)
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
	touch $@

clean:
	rm -rf .venv out build
