# Two commands do everything on a fresh machine: `make demo` and `make test`. Both build `.venv` first.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv

.PHONY: demo test test-system fuzz bench lint lock format dashboard clean

# The environment: the locked packages, then this checkout. Rebuilt when the lock or the project changes.
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "streamproc needs Python 3.11 or newer; set PYTHON=...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade uv
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --requirement requirements.lock
	$(UV) pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --editable .
	touch $@

demo: .venv/installed
	$(BIN)/streamproc demo --data flights

test: .venv/installed
	$(BIN)/python -m pytest --ignore=tests/system

# Needs promtool, prometheus (Debian) and versitygw (Go); .ci/run installs them.
test-system: .venv/installed
	$(BIN)/python -m pytest tests/system

# Damaged records by the million through the decoder, bounds checks on; SEED makes others of them.
MUTANTS ?= 5000000
SEED ?= 1
fuzz: .venv/installed
	mkdir -p tests/.cache/bounds-checked-kernels
	PYTHONPATH=tests NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=tests/.cache/bounds-checked-kernels \
		$(BIN)/python tests/fuzz/avro_fuzz.py --mutants $(MUTANTS) --seed $(SEED)

# Throughput of one replica on a real broker that it starts; prints JSON.
bench: .venv/installed
	PYTHONPATH=tests $(BIN)/python tests/benchmarks/main_job.py

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# deploy/grafana/streamproc.json from its Python source.
dashboard: .venv/installed
	$(BIN)/python deploy/grafana/build_dashboard.py

# One lock for every Python version and platform; no index is named in it.
lock:
	$(UV) pip compile --quiet --universal --python-version 3.11 --all-extras --group dev --no-emit-index-url --upgrade \
		--custom-compile-command 'make lock' pyproject.toml --output-file requirements.lock

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache tests/.cache
