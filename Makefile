# Rollcall: every target sets up what it needs. `make demo` and `make test` are all a newcomer has to know.
.DEFAULT_GOAL := help
.PHONY: help demo run test check format bench bench-envelope bench-peers docs models web extras image-proof lock clean

PYTHON ?= python3
# Without internet YuNet cannot be fetched; a folder beside the project may hold the same bytes.
export ROLLCALL_MODELS__MIRROR ?= $(wildcard ../shared/models)
BIN := .venv/bin

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

# The virtual environment: with what the server and the model build need, and with what tests need on top.
.venv/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Rollcall needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/.server: .venv/.python requirements/server.txt pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/server.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.server requirements/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@touch $@

extras: .venv/.server ## add what --tunnel ngrok, `cameras discover` and traces need
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/extras.txt

models: .venv/.server ## fetch, convert and verify the models (does nothing when they are there)
	$(BIN)/rollcall models build

# The web pages. Built again when something that they are made of has changed.
NPM := $(BIN)/python web_client/npm.py
WEB_SOURCES := $(shell find web_client/src web_client/build -type f -not -path '*/generated/*' 2>/dev/null) \
  $(wildcard web_client/*.html web_client/*.ts web_client/*.json) docs/openapi.json docs/messages.schema.json

web_client/node_modules/.installed: .venv/.server web_client/package.json web_client/package-lock.json
	$(NPM) ci --loglevel=error
	@touch $@

web_client/dist/.built: web_client/node_modules/.installed $(WEB_SOURCES)
	$(NPM) run --silent build
	@touch $@

web: web_client/dist/.built ## build the web pages (does nothing when they are up to date)

demo: models web ## enrol people, stream cameras, show and check the attendance list; ends by itself
	$(BIN)/rollcall demo

# Phones give their camera to https alone. `make run SERVE=` is for this machine only, over plain http.
SERVE ?= --https auto
run: models web ## start the server; prints its address, and a QR code that makes a phone a camera
	$(BIN)/rollcall db upgrade
	$(BIN)/rollcall serve $(SERVE)

test: .venv/.dev models web ## install what the tests need and run all of them
	$(BIN)/python tests/system_packages.py
	$(NPM) run --silent test
	$(BIN)/python -m pytest -n 3 --dist loadfile

check: .venv/.dev web_client/node_modules/.installed ## lint, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(NPM) run --silent check

format: .venv/.dev ## rewrite the code in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.dev models web ## measure, and write benchmarks/results.json and the tables made from it
	$(BIN)/python -m benchmarks

bench-envelope: .venv/.dev models ## half an hour within 256 MB and half a core (MINUTES=5 for less); needs root
	$(BIN)/python -m benchmarks envelope --minutes $(or $(MINUTES),30)

bench-peers: .venv/.dev models ## measure what others would pick instead beside Rollcall; installs each under build/peers
	$(BIN)/python -m benchmarks peers

docs: .venv/.dev ## write the parts of docs/ that come from the code
	$(BIN)/python -m docs.generate

# Locked with hashes, for every platform, without any index address. runtime.txt is what an image holds.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock: .venv/.dev ## resolve the dependencies anew
	$(LOCK) --upgrade --all-extras pyproject.toml -o requirements/dev.txt
	$(LOCK) --constraint requirements/dev.txt --extra embedded --extra build pyproject.toml -o requirements/server.txt
	$(LOCK) --constraint requirements/dev.txt --extra embedded --extra build --extra tunnel --extra onvif --extra otel pyproject.toml \
	  -o requirements/extras.txt
	$(LOCK) --constraint requirements/dev.txt --extra otel pyproject.toml -o requirements/runtime.txt

image-proof: .venv/.server ## build the container image without an engine, run it, measure it (root, Debian, debootstrap)
	$(BIN)/python -m deploy.proof

clean: ## remove everything that was made here, the data folder excepted
	rm -rf .venv build .mypy_cache .ruff_cache .pytest_cache web_client/dist web_client/node_modules web_client/src/generated
