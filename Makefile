PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: demo test test-deep test-benchmarks test-peers check bench bench-peers build clean

$(STAMP): pyproject.toml requirements.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat -e .
	touch $(STAMP)

demo: $(STAMP)
	$(BIN)/coval-load demo

test: $(STAMP)
	$(BIN)/python tests/side_by_side.py

test-deep: $(STAMP)
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest

test-benchmarks: $(STAMP)
	$(BIN)/python -m pytest tests_benchmarks

test-peers: $(STAMP)
	$(BIN)/python -m pytest tests_peers

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=. $(BIN)/lint-imports
	$(BIN)/python tests/file_length.py

bench: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	$(BIN)/python benchmarks/frames.py
	$(BIN)/python benchmarks/truth.py
	$(BIN)/python benchmarks/http_clients.py
	$(BIN)/python benchmarks/turns.py
	$(BIN)/python benchmarks/arrivals.py
	$(BIN)/python benchmarks/virtual_week.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/session_memory.py
	$(BIN)/python benchmarks/chat.py
	$(BIN)/python benchmarks/connections.py
	$(BIN)/python benchmarks/start_up.py
	$(BIN)/python benchmarks/coordinator.py
	$(BIN)/python benchmarks/shared_interpreter.py
	$(BIN)/python benchmarks/workers.py

bench-peers: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	$(BIN)/python benchmarks/peers/compare.py --rounds 3

build: $(STAMP)
	$(BIN)/python -m build --no-isolation

clean:
	rm -rf $(VENV) build dist *.egg-info
