# Two commands do everything on a fresh machine: `make demo` and `make test`. Both build `.venv` first.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv

.PHONY: demo test test-system fuzz bench bench-growth bench-peers bench-report lock-peers lint lock format dashboard clean

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

# Measures on a real broker that it starts, for about ten minutes, and writes tests/benchmarks/results. `make bench-report` then makes
# the README's section and the plots from all results that are there. BENCH="--rounds 5 --seconds 8" measures longer.
BENCHMARK = PYTHONPATH=tests $(BIN)/python -m benchmarks.run
bench: .venv/installed
	$(BENCHMARK) main $(BENCH)
	$(BENCHMARK) latency $(BENCH)

bench-growth: .venv/installed
	$(BENCHMARK) growth $(BENCH)

# The same job in other libraries, each in an environment of its own.
PEERS := quix faust faststream arroyo bytewax pyspark
PEER_ENVIRONMENTS := tests/.cache/peers
bench-peers: .venv/installed $(PEERS:%=$(PEER_ENVIRONMENTS)/%/installed) $(PEER_ENVIRONMENTS)/pyspark-jars/copied
	$(BENCHMARK) peers $(BENCH)

# A peer that can't be installed is said to be missing; the others are measured all the same.
$(PEER_ENVIRONMENTS)/%/installed: tests/benchmarks/peers/requirements-%.txt | .venv/installed
	-$(UV) venv --quiet --clear --python $(BIN)/python $(@D) && \
		$(UV) pip sync --quiet --compile-bytecode --python $(@D)/bin/python $< && touch $@ || rm -rf $(@D)

$(PEER_ENVIRONMENTS)/pyspark-jars/copied: tests/benchmarks/peers/pyspark-pom.xml
	-mvn -q -B -f $< dependency:copy -DoutputDirectory=$(abspath $(@D)) && touch $@

bench-report: .venv/installed
	PYTHONPATH=tests $(BIN)/python -m benchmarks.report

# What the peers' environments hold, after a change of their requirements-*.in.
lock-peers: .venv/installed
	for peer in $(PEERS); do $(UV) pip compile --quiet --python-version 3.11 --no-emit-index-url --no-annotate \
		--custom-compile-command 'make lock-peers' tests/benchmarks/peers/requirements-$$peer.in \
		--output-file tests/benchmarks/peers/requirements-$$peer.txt || exit 1; done

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
