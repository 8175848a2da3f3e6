# `make demo` and `make test` each set everything up first: a virtual environment and the compiled extension.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check
TOOLS := .venv/.tools
DEMO := .venv/.demo
TESTS := .venv/.tests
BUILT := .venv/.built
READY := $(TESTS) $(BUILT)
BUILD_TOOLS := 'scikit-build-core>=0.10' 'pybind11>=2.13' ninja cmake
# an edit in csrc is compiled for these levels of processors, as LEVELS=avx2 or 'x86_64_v2;avx2'; for all by default
LEVELS ?=
COMMA := ,
COMPILED := CMakeLists.txt $(shell find csrc -type f)

.PHONY: demo test test-fast test-docs test-e2e test-levels test-load test-faults test-many test-offline test-threaded sanitize durations docs lint bench blend search wasm page gpu gpu-build gpu-tests gpu-parity gpu-tune gpu-bench clean

demo: $(DEMO) $(BUILT)
	$(BIN)/faceinpaint demo --out out/demo.png

# by as many processes as there are cores, four at most, a file by one of them
SPREAD := --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
test: $(READY)
	$(BIN)/python -m pytest $(SPREAD)

# without what tests/durations.json has as slow; it says which tests these are
test-fast: $(READY)
	$(BIN)/python -m pytest -m "not slow" --durations=0 --durations-min=1

# every block of code in the documents, and what else is said there; part of `make test`
test-docs: $(READY)
	$(BIN)/python -m pytest tests/docs

# the page of the service in a Chromium, which must be installed: apt-get install chromium
test-e2e: $(READY)
	$(BIN)/python -m pytest tests/e2e

# the kernels of each level beside one another, and the whole of it on processors that can do less, emulated by qemu-user,
# which has no AVX-512: minutes a processor
EMULATED ?= Nehalem Haswell Skylake-Server
test-levels: $(READY)
	$(BIN)/python -m pytest tests/csrc/test_levels.py tests/csrc/test_processor.py
	for processor in $(EMULATED); do \
		qemu-x86_64 -cpu $$processor $(BIN)/python tests/emulated.py || exit 1; \
		qemu-x86_64 -cpu $$processor $(BIN)/python -m faceinpaint_fast demo --iterations 2 --out out/$$processor.png || exit 1; \
	done

# the service under load: figures of each scenario, in minutes each; SHARE=0.1 is a tenth of it
SCENARIOS ?=
SHARE ?= 1
test-load: $(READY)
	$(PIP) --quiet --constraint constraints.txt 'schemathesis>=4'
	$(BIN)/python -m tests.load $(SCENARIOS) --share $(SHARE) --out out/service_load.jsonl

# processes, disks and networks that fail while work is done, trainings that are killed, bits that are flipped, 100,000
# calls of the compiled functions: half an hour; as root there are more of them
test-faults: $(READY)
	$(BIN)/python -m pytest $(SPREAD) tests/faults --share $(SHARE)

# the tests in a network of their own, which has a loopback and no route to anywhere: Linux
OF ?= tests
test-offline: $(READY)
	unshare --map-root-user --net sh -c 'ip link set lo up && exec "$$@"' - $(BIN)/python -m pytest $(SPREAD) $(OF)

# memory of a folder restored on Ray, on 100,000 faces
test-many: $(READY)
	$(BIN)/python -m tests.many

# The C++ tests with the compiled module under AddressSanitizer and UndefinedBehaviorSanitizer, and those with threads under
# ThreadSanitizer, which sees nothing of torch's own threads: the module, compiled for one level, takes the place of the
# installed one.  Only gcc's libraries are known here by their place.
SANITIZED := build/sanitize
WATCHED = tests/csrc/test_bindings.py tests/csrc/test_convolution.py tests/csrc/test_losses.py tests/csrc/test_winograd.py \
	tests/blend/test_multigrid.py tests/blend/test_plate.py tests/blend/test_rectangle.py tests/test_weight_map.py
LIBRARIES = $(wildcard tests/csrc/test_*_library.py)
UNDER = env PYTHONMALLOC=malloc ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 SANITIZED=$(SANITIZED)/$(1) \
	LD_PRELOAD="$(foreach library,$(2),$$($(CXX) -print-file-name=lib$(library).so))" $(BIN)/python
sanitize: $(READY)
	for sanitizer in address,undefined thread; do \
		$(BIN)/cmake -S . -B $(SANITIZED)/$$sanitizer -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja -DCMAKE_BUILD_TYPE=Release \
			-DFACEINPAINT_LEVELS=$(or $(LEVELS),avx2) -DFACEINPAINT_SANITIZE=$$sanitizer -DPYBIND11_FINDPYTHON=ON \
			-DPython_EXECUTABLE=$(CURDIR)/$(BIN)/python -Dpybind11_DIR=$$($(BIN)/python -m pybind11 --cmakedir) \
		&& $(BIN)/cmake --build $(SANITIZED)/$$sanitizer || exit 1; \
	done
	$(call UNDER,address$(COMMA)undefined,asan ubsan) -m pytest -p tests.sanitized $(WATCHED)
	$(call UNDER,address$(COMMA)undefined,asan ubsan) -m tests.sanitized tests.csrc.fuzz 5000 1 $(SANITIZED)/call
	CXXFLAGS="-fsanitize=address,undefined -fno-sanitize-recover=all" \
		$(call UNDER,address$(COMMA)undefined,asan ubsan) -m pytest $(LIBRARIES) -k "not wasm and not static"
	setarch -R $(call UNDER,thread,tsan) -m tests.sanitized tests.csrc.threads

# The compiled module on a CPython without the lock that lets one thread at a time work, THREADED, which has NumPy, Pillow and
# hypothesis: called from several threads at once, and with whatever there is.  A module that asks for the lock is an error.
THREADED ?= python3.14t
ON_THREADED = env SANITIZED=build/threaded $(THREADED) -W error -m tests.sanitized
test-threaded: $(READY)
	$(BIN)/cmake -S . -B build/threaded -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja -DCMAKE_BUILD_TYPE=Release \
		-DFACEINPAINT_LEVELS=$(or $(LEVELS),avx2) -DPYBIND11_FINDPYTHON=ON \
		-DPython_EXECUTABLE=$$(command -v $(THREADED)) -Dpybind11_DIR=$$($(BIN)/python -m pybind11 --cmakedir)
	$(BIN)/cmake --build build/threaded
	$(THREADED) -c 'import sys; assert not sys._is_gil_enabled()'
	$(ON_THREADED) tests.csrc.threads
	$(ON_THREADED) tests.csrc.fuzz 5000 1 build/threaded/call

# all tests, and what each of them takes, for test-fast to go by
durations: $(READY)
	$(BIN)/python -m pytest --write-durations

# the site, in out/site; a warning is an error, and nothing is fetched
docs: $(READY)
	$(BIN)/python -m sphinx -q -W --keep-going -c docs/site . out/site

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest benchmarks

# The blend and the search for programs in other languages, behind the headers in csrc/c: shared and static, and with
# emscripten (Debian's package has it) as wasm.
CMAKE ?= $(shell test -x $(BIN)/cmake && echo $(BIN)/cmake || echo cmake)
BUILD ?= build
WASM := $(BUILD)/wasm
BLEND := csrc/c/blend.cpp csrc/c/mirror.cpp csrc/blend/pixels.cpp csrc/blend/distance.cpp \
	$(wildcard csrc/blend/plate*.cpp csrc/mirror/*.cpp)
SEARCH := csrc/c/search.cpp csrc/weight_map.cpp csrc/losses/ssim_l1.cpp $(wildcard csrc/search/*.cpp csrc/layers/*.cpp)
HEADERS := $(wildcard csrc/*.hpp csrc/*/*.hpp csrc/c/*.h csrc/c/*.hpp)
EMXX := em++ -std=c++17 -O3 -msimd128 -Icsrc -sSTANDALONE_WASM --no-entry -sALLOW_MEMORY_GROWTH

blend search:
	$(CMAKE) -S csrc/c -B $(BUILD)/$@
	$(CMAKE) --build $(BUILD)/$@ --target faceinpaint_$@ faceinpaint_$@_static

wasm: $(WASM)/faceinpaint_blend.wasm $(WASM)/faceinpaint_search.wasm

$(WASM)/faceinpaint_blend.wasm: $(BLEND) $(HEADERS)
	mkdir -p $(WASM)
	$(EMXX) $(BLEND) -sEXPORTED_FUNCTIONS=_faceinpaint_blend,_faceinpaint_mirror,_malloc,_free -o $@

$(WASM)/faceinpaint_search.wasm: $(SEARCH) $(HEADERS)
	mkdir -p $(WASM)
	$(EMXX) $(SEARCH) -sEXPORTED_FUNCTIONS=_faceinpaint_search_open,_faceinpaint_search_run,_malloc,_free -o $@

# the page without a server, whose parts are made first
PAGE ?= out/page
page: $(READY) wasm
	$(BIN)/faceinpaint page faces64 -o $(PAGE)

# On a machine with an NVIDIA GPU and everything installed but this project, without a network: the tests that need a
# GPU, parity and all benchmarks, with PYTHON; OUT takes what came of them.  The first to run compiles the kernels.
OUT ?= out/gpu
GPU_TESTS := tests/test_gpu.py tests/networks/test_triton_layers.py tests/ops/test_triton_ssim_l1.py \
	tests/ops/test_weight_map.py tests/search/test_triton_steps.py tests/search/test_graph.py tests/training/test_captured.py \
	tests/blend/test_cuda.py
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

# What is installed, once: build tools first, so that what they compile is kept and an edit compiles only what it changed.
$(TOOLS):
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --quiet $(BUILD_TOOLS)
	touch $@

# for `make demo` alone, about 1.2 GB on the disk, of which most is torch; the first compilation takes minutes
$(DEMO): $(TOOLS) pyproject.toml constraints.txt
	$(PIP) --constraint constraints.txt --no-build-isolation --editable '.[cli,photo]'
	touch $@

$(TESTS): $(TOOLS) pyproject.toml constraints.txt examples/onnx/package-lock.json
	$(PIP) --constraint constraints.txt --no-build-isolation --editable '.[test]'
	if command -v npm > /dev/null; then npm ci --ignore-scripts --no-audit --no-fund --prefix examples/onnx; fi
	touch $@ $(DEMO)

$(BUILT): $(COMPILED)
	$(PIP) --quiet --no-deps --no-build-isolation --editable . -C "cmake.define.FACEINPAINT_LEVELS=$(LEVELS)"
	touch $@

clean:
	rm -rf .venv out build examples/onnx/node_modules
