# Everything runs in an environment of its own, .venv, made of the pinned and hashed packages in requirements/.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO := $(VENV)/.demo-installed
TESTS := $(VENV)/.tests-installed
CLUSTER := $(VENV)-distributed
COMPAT := .compat/tool/.installed
DOCS := .docs/.installed
DEPLOYMENT := $(VENV)/.deployment-installed
MONITORING := .monitoring/.installed
BROWSER := tests/browser
CHART := tests/deployment
YEAR := tests/year
MONITORED := tests/monitoring tests/unit/operators/test_openlineage_events.py
SECURITY := tests/security
SYSTEM := $(addprefix tests/system/,test_asked_to_end.py test_crashes.py test_short_deferrals.py test_poisoned_replies.py)
DUB := tests/system/test_dub_crashes.py
ENDINGS := tests/system/test_endings.py
DISTRIBUTED := tests/distributed
SCALE := $(addprefix tests/system/,test_random_kills.py test_many_clips.py test_batch.py test_pieces.py)

# No resolver takes part: each lock names every package, and pip's own check says whether one is missing.
PIP := $(BIN)/python -m pip --disable-pip-version-check
FROM_LOCK := --quiet --no-deps --require-hashes --only-binary :all: --no-compile
INSTALL := $(PIP) install $(FROM_LOCK)
# Bytecode is written when a module is first imported: without it, each process that loads Airflow starts three times as
# slowly.
unexport PYTHONDONTWRITEBYTECODE
UV ?= uv
COMPILE := $(UV) pip compile --universal --python-version 3.10 --generate-hashes --only-binary :all: --emit-build-options \
	--no-annotate --no-header --no-emit-index-url --quiet
RUN_ON := --extra emulator --extra espeak --group build --group scripts
TESTED_WITH := $(RUN_ON) --extra media --extra faces --extra c2pa --extra crc --extra oss --extra socks --extra xlsx --group dev --group system --group browser

.DEFAULT_GOAL := help
.PHONY: help demo demo-long demo-dub ui test test-security test-system test-dub test-deployment test-endings test-scale test-month test-year test-distributed test-browser test-monitoring mutants compat docs check format bench bench-quick lock clean

help:  ## Lists these targets.
	@sed -n 's/^\([a-z-]*\):.*  ## /\1	/p' Makefile | while IFS='	' read -r name text; do printf '%-18s%s\n' "$$name" "$$text"; done

demo: $(DEMO)  ## The main job, end to end, on this machine: script to published video. PORT= chooses Airflow's port.
	$(BIN)/python scripts/demo.py $(if $(PORT),--port $(PORT))

demo-long: $(DEMO)  ## A script of four minutes becomes one video, of pieces; ten minutes.
	$(BIN)/python scripts/demo.py --long $(if $(PORT),--port $(PORT))

demo-dub: $(DEMO)  ## A video of two minutes in English becomes three in other languages; ten minutes.
	$(BIN)/python scripts/demo.py --dub $(if $(PORT),--port $(PORT))

ui: $(DEMO)  ## A local Airflow on the emulator, with connection, pool and DAGs in place, on port 8080 or PORT=.
	$(BIN)/python scripts/ui.py $(if $(PORT),--port $(PORT))

test: $(TESTS)  ## All tests, with branch coverage. Files are not ordered by their number of tests: the slow ones have few.
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --cov --cov-report=term:skip-covered $(addprefix --ignore=,$(SYSTEM) $(DUB) $(ENDINGS) $(SCALE) $(DISTRIBUTED) $(YEAR) $(BROWSER) $(CHART) $(MONITORED))

test-security: $(TESTS)  ## The trust model, by role; a part of test.
	$(BIN)/python -m pytest $(SECURITY)

test-deployment: $(DEPLOYMENT)  ## Airflow's Helm chart, rendered with deploy/values.yaml; downloads the chart, or CHART_FILE= names it.
	HELM_CHART=$(CHART_FILE) $(BIN)/python -m pytest $(CHART)

test-system: $(TESTS)  ## A real Airflow on a real PostgreSQL, whose processes are killed; twenty minutes.
	$(BIN)/python -m pytest $(SYSTEM)

test-dub: $(TESTS)  ## The crash table of the steps of a dub, on a real Airflow; six minutes.
	$(BIN)/python -m pytest $(DUB)

test-endings: $(TESTS)  ## Sixty endings on a real Airflow, and what page, spend, job history and audit say of them; a quarter of an hour.
	$(BIN)/python -m pytest $(ENDINGS)

test-scale: $(TESTS)  ## 200 clips and a batch of 200 rows through a real Airflow, while parts of it are killed; an hour.
	$(BIN)/python -m pytest $(SCALE)

test-month: $(TESTS)  ## 100,000 videos of a month on a simulated clock, and what they leave behind; half an hour.
	VIDEORETALK_MONTH_CLIPS=100000 $(BIN)/python -m pytest tests/month

test-year: $(TESTS)  ## The query plans of the pages on a PostgreSQL with a year of videos; five minutes.
	$(BIN)/python -m pytest $(YEAR)

test-distributed: $(CLUSTER)/.installed  ## Airflow on Celery, several of everything, parts of which are lost; 40 minutes. ROWS="Redis or publishing" chooses.
	@command -v redis-server >/dev/null || { echo "Redis is missing: apt-get install -y redis-server"; exit 1; }
	PATH="$(abspath $(BIN)):$$PATH" $(CLUSTER)/bin/python -m pytest $(DISTRIBUTED) $(if $(ROWS),-k "$(ROWS)")

test-browser: $(TESTS)  ## A user's steps in the UI, in a headless Chromium; writes the pictures of the docs.
	@command -v chromedriver >/dev/null || { echo "Chromium is missing: apt-get install -y chromium chromium-driver"; exit 1; }
	VIDEORETALK_PICTURES=docs/images/ui $(BIN)/python -m pytest $(BROWSER)

test-monitoring: $(MONITORING)  ## Metrics, traces and lineage of a real Airflow; dashboard and alerts by a real Prometheus; ten minutes.
	.monitoring/bin/python -m pytest $(MONITORED)

mutants: $(TESTS)  ## How many random mutants of the code that handles money the tests notice; an hour. COUNT=, SEED= choose.
	$(BIN)/python scripts/mutants.py $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED))

compat: $(COMPAT)  ## Every Python by every Airflow that is allowed, in a table; CELLS="3.12:newest lowest" chooses some.
	.compat/tool/bin/python -m compat --cells "$(CELLS)" --pythons "$(PYTHONS)" --checks "$(CHECKS)" --jobs $(or $(JOBS),1)

docs: $(DOCS)  ## The documentation as a site, in site/: no warning, no dead link, nothing from another host.
	.docs/bin/python -m website
	NO_MKDOCS_2_WARNING=1 .docs/bin/python -m mkdocs build

check: $(TESTS)  ## Lint, format and types.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(TESTS)  ## Formats, and fixes what ruff can fix.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(TESTS)  ## What the package costs, beside alternatives, and docs/benchmarks.md anew; an hour and a half.
	$(BIN)/python -m benchmarks --write

bench-quick: $(TESTS)  ## A small part of bench, only printed, in under five minutes.
	$(BIN)/python -m benchmarks --quick

lock:  ## Resolves requirements/ again; needs uv.
	$(COMPILE) $(TESTED_WITH) --constraint requirements/constraints.txt pyproject.toml -o requirements/all.lock
	$(COMPILE) $(RUN_ON) --constraint requirements/all.lock pyproject.toml -o requirements/demo.lock
	$(COMPILE) $(TESTED_WITH) --constraint requirements/all.lock pyproject.toml -o requirements/test.lock \
		$$(sed -n 's/^\([a-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements/demo.lock)
	$(COMPILE) --group deployment --constraint requirements/all.lock -o requirements/deployment.lock \
		$$(sed -n 's/^\([a-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements/demo.lock requirements/test.lock)
	$(COMPILE) --group distributed --constraint requirements/all.lock pyproject.toml -o requirements/distributed.lock \
		$$(sed -n 's/^\([a-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements/demo.lock requirements/test.lock)
	rm requirements/all.lock
	$(COMPILE) --group compat -o requirements/compat.lock
	$(COMPILE) --group docs -o requirements/docs.lock
	cat requirements/demo.lock requirements/test.lock | grep -v '^--' > requirements/all.lock
	$(subst 3.10,3.11,$(COMPILE)) --group observability --constraint requirements/all.lock pyproject.toml \
		-o requirements/monitoring.lock $$(sed -n 's/^\([a-z0-9._-]*\)==.*/--no-emit-package \1/p' requirements/all.lock)
	rm requirements/all.lock

clean:  ## Takes away what the other targets made.
	rm -rf $(VENV) $(CLUSTER) .compat .docs .monitoring .demo .airflow site

$(DEMO): requirements/demo.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.10 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12 ..." if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv --clear $(VENV)
	$(INSTALL) -r requirements/demo.lock
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	$(PIP) check
	touch $@

$(TESTS): $(DEMO) requirements/test.lock
	$(INSTALL) -r requirements/test.lock
	$(PIP) check
	@$(BIN)/python -c 'import sys; sys.version_info[:2] in ((3, 11), (3, 13)) or print("Without pocketsphinx, which has no wheel for this Python: what the emulator speaks is not listened to.")'
	touch $@

$(DEPLOYMENT): $(TESTS) requirements/deployment.lock
	$(INSTALL) -r requirements/deployment.lock
	$(PIP) check
	touch $@

# On top of the tests' environment, which stays as it is: what it has is seen here, and what is added here is not seen there.
$(CLUSTER)/.installed: $(TESTS) requirements/distributed.lock
	$(PYTHON) -m venv --clear --without-pip $(CLUSTER)
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' \
		> $$($(CLUSTER)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tests.pth
	$(PIP) --python $(CLUSTER)/bin/python install $(FROM_LOCK) -r requirements/distributed.lock
	$(PIP) --python $(CLUSTER)/bin/python check
	touch $@

# An environment of its own: in each process of Airflow, its OpenLineage provider would listen to all tasks.
$(MONITORING): requirements/demo.lock requirements/test.lock requirements/monitoring.lock pyproject.toml
	$(MAKE) VENV=.monitoring .monitoring/.tests-installed
	$(subst $(VENV),.monitoring,$(INSTALL)) -r requirements/monitoring.lock
	touch $@

$(COMPAT): requirements/compat.lock
	$(PYTHON) -m venv --clear .compat/tool
	.compat/tool/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	touch $@

$(DOCS): requirements/docs.lock
	$(PYTHON) -m venv --clear .docs
	.docs/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r $<
	.docs/bin/python -m pip check
	touch $@
