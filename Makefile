# Two commands: `make run` and `make test`. Everything they need is made on the way, and not made twice.
# `make test ARGS="tests/core -k yaml"` hands arguments to pytest instead of running everything.
# For those who work on it: `make dev` once, `make test-fast` often.
# `make upgrade` tries newer versions of what is installed, and keeps them if all tests pass; `make test-newest` only tries.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
HOST ?= 127.0.0.1
# The versions that were tested, of everything; CONSTRAINTS=/dev/null takes the newest that requirements.txt allows.
CONSTRAINTS ?= constraints.txt
# What is optional for users is not for the tests: all of it is tried for real.
EXTRAS := $(wildcard extras/*.txt)
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Without it (offline, for instance) everything else works: it says in one line why it is not there.
BRING_FIRST_MODEL = @$(BIN)/python -m multi_llm_comparator.services.first_model || true
# llama-cpp-python is compiled here; use every core for it.
export CMAKE_BUILD_PARALLEL_LEVEL ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)

# By files: what one makes once for its tests is made by one worker. In their order: those of few tests and much time
# would else come last, when one worker has nothing more to do.
PYTEST := $(BIN)/python -m pytest -n 2 --no-loadscope-reorder --dist loadfile
# What fails beside other tests is shown, and tried once more alone: it must pass then.
AGAIN := $(BIN)/python -m pytest --last-failed --last-failed-no-failures none -m "not nightly"

.PHONY: run test test-fast dev attack lint upgrade test-newest demo-models benchmarks clean

run: .make/run
	$(BIN)/python -m demo.prepare
	$(BRING_FIRST_MODEL)
	$(BIN)/python app.py --host $(HOST) $(if $(PORT),--port $(PORT)) $(ARGS)

test: .make/test
	$(BIN)/python -m tests.support.system_packages
	$(BIN)/python -m demo.prepare
	$(BRING_FIRST_MODEL)
ifeq ($(strip $(ARGS)),)
	$(MAKE) --no-print-directory lint
	$(PYTEST) --cov --cov-report= --cov-fail-under=0 --ignore=tests/browser -m "not nightly" || $(AGAIN)
	$(BIN)/coverage report
	$(PYTEST) tests/browser -m "not nightly" || $(AGAIN) tests/browser
else
	$(PYTEST) $(ARGS)
endif

# What most changes break, in less than 90 s: no room whose tests load models or open pages, and no test that is marked slow.
SLOW_ROOMS := applications attack benchmarks browser cli conversion demo evaluation inferencers jobs material services support training ui
FAST := $(filter-out $(SLOW_ROOMS:%=tests/%) %.py,$(wildcard tests/*)) tests/ui/kit tests/test_architecture.py
test-fast: .make/test
	$(PYTEST) -m "not nightly and not slow" $(FAST) $(ARGS)

# To work on it: what the tests need, and ruff before each commit.
dev: .make/test
	$(BIN)/pre-commit install

# Some minutes of hostile files and texts against a running app; what was seen goes into docs/security.md.
attack: .make/test
	$(BIN)/python -m tests.attack

lint: .make/test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

upgrade:
	$(PYTHON) -m tests.support.versions upgrade

test-newest:
	$(PYTHON) -m tests.support.versions try

demo-models: .make/run
	$(BIN)/python -m demo.train
	$(BIN)/python -m demo.composed.train
	$(BIN)/python -m demo.composed.evaluate
	$(BIN)/python -m demo.prepare

BENCH_MODELS := models/bench
benchmarks: .make/test
	$(BIN)/python -m benchmarks.first_minute
	$(BIN)/python -m benchmarks.streaming
	$(BIN)/python -m benchmarks.serving
	$(BIN)/python -m benchmarks.stress
	$(BIN)/python -m benchmarks.scenarios
	$(BIN)/python -m benchmarks.commands
	$(BIN)/python -m benchmarks.gateway
	$(BIN)/python -m benchmarks.gateway_http
	$(BIN)/python -m benchmarks.plans
	$(BIN)/python -m benchmarks.composed --suffix=-F16
	$(BIN)/python -m benchmarks.prediction
	$(BIN)/python -m benchmarks.grammars
	$(BIN)/python -m benchmarks.reproducible SmolLM2-135M-Instruct SmolLM2-135M-Instruct.Q4_1 --models $(BENCH_MODELS) --prompts 10
	$(BIN)/python -m benchmarks.token_pieces $(BENCH_MODELS)/pytorch/SmolLM2-135M-Instruct $(BENCH_MODELS)/gguf/SmolLM2-135M-Instruct.Q8_0.gguf
	$(BIN)/python -m benchmarks.evaluation
	$(BIN)/python -m benchmarks.scaling
	$(BIN)/python -m benchmarks.differences
	@echo "Tuning has data of its own: python -m benchmarks.training --data FILE"
	$(BIN)/python -m benchmarks.report

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name it with: make PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
		echo "No virtual environment could be made; on Debian and Ubuntu: apt install python3-venv"; exit 1; }

# The package itself is only pointed to: that brings its commands, and what is changed here is what runs.
.make/run: requirements.txt constraints.txt pyproject.toml | $(BIN)/python
	$(PIP) -c $(CONSTRAINTS) -r requirements.txt
	$(PIP) --no-deps --editable .
	@mkdir -p .make && touch $@

.make/test: requirements.txt requirements-test.txt $(EXTRAS) .make/run
	$(PIP) -c $(CONSTRAINTS) -r requirements-test.txt $(EXTRAS:%=-r %)
	@mkdir -p .make && touch $@

# Of the models only what was made or fetched here; somebody's own stay.
clean:
	@[ ! -x $(BIN)/python ] || $(BIN)/python -m demo.clean || true
	rm -rf $(VENV) .make *.egg-info models/bench
