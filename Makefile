# Everything runs in an environment of its own, .venv, made from the pinned and hashed requirements.lock.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BROWSER := tests/browser
SYSTEM := tests/system/test_crashes.py tests/system/test_random_kills.py tests/system/test_many_clips.py

.PHONY: demo ui test test-system test-browser check format bench lock clean

demo: $(INSTALLED)  ## The main job, end to end, on this machine: script to published video.
	$(BIN)/python scripts/demo.py

ui: $(INSTALLED)  ## A local Airflow on the emulator, with connection, pool and DAGs in place.
	$(BIN)/python scripts/ui.py

test: $(INSTALLED)  ## All tests, with branch coverage.
	$(BIN)/python -m pytest -n 2 --dist loadfile --cov --cov-report=term:skip-covered $(addprefix --ignore=,$(SYSTEM) $(BROWSER))

test-system: $(INSTALLED)  ## A real Airflow on a real PostgreSQL, whose processes are killed; about twenty minutes.
	$(BIN)/python -m pytest $(SYSTEM)

test-browser: $(INSTALLED)  ## A person's path through the UI in a headless Chromium; writes the docs' pictures anew.
	@command -v chromedriver >/dev/null || { echo "Chromium is missing: apt-get install -y chromium chromium-driver"; exit 1; }
	VIDEORETALK_PICTURES=docs/images/ui $(BIN)/python -m pytest $(BROWSER)

check: $(INSTALLED)  ## Lint, format and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(INSTALLED)  ## What waiting, publishing, probing and importing cost, beside other ways; about half an hour.
	$(BIN)/python -m benchmarks.waiting
	$(BIN)/python -m benchmarks.publishing
	$(BIN)/python -m benchmarks.probing
	$(BIN)/python benchmarks/imports.py
	$(BIN)/python benchmarks/board.py

lock:  ## Resolves requirements.lock anew; needs uv.
	uv pip compile --universal --python-version 3.10 --generate-hashes --no-annotate --no-header \
		--no-emit-index-url --extra emulator --extra espeak --extra media --extra crc --extra oss \
		--group dev --group system --group browser --constraint constraints.txt pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV) .demo .airflow

$(INSTALLED): requirements.lock pyproject.toml
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	touch $@
