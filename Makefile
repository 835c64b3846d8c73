# Every command of the project; `make` alone lists them. What a target needs is made first, and only when it is out of date.

PORT ?= 8000
export PORT
HISTORIES ?= 1000
CUSTOMERS ?= 2000
OPERATIONS ?= 10000
EXAMPLES ?= 50
SEED ?= 20261122
RANDOM_DOCUMENTS ?= 20000

BIN    := .venv/bin
VENV   := .venv/.synced
NPM_CI := npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
BUNDLE := graphiql/dist/.built
EMULATOR := build/aws/.made-from
LINTERS := build/lint/.made-from
FUZZER := build/fuzz/.made-from
RUNTIME := build/runtime$(LAMBDA:%=-%)/.made-from
OLDER  := tests/older/node_modules
FASTER := build/bench/.made-from
PEERS  := bench/peers/node_modules/.complete
SOURCES_OF_BUNDLE := $(shell find graphiql -type f -not -path 'graphiql/dist/*' 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help run test check lint format types imports schema manifest migrate package attacks bench crash histories agreement planner hostile fuzz interleaved audits browser pooler older ground lock clean

help:  ## list these commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(VENV) $(BUNDLE) $(EMULATOR)  ## start everything on 127.0.0.1:$PORT (8000): database, demo data, API, GraphiQL
	@exec $(BIN)/python -m local.run

test: $(BUNDLE) $(EMULATOR) check  ## lint, types, import contracts and every test that needs no Debian package
	@$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

check: lint types imports  ## what can be said without running the code

lint: $(VENV)  ## ruff on Python, squawk on migrations
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/squawk sql/migrations/*.sql

format: $(VENV)  ## let ruff mend what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: $(VENV)  ## mypy --strict over code and tests
	@$(BIN)/mypy

imports: $(VENV)  ## the layers, held by import-linter
	@$(BIN)/lint-imports --no-logo

schema: $(VENV)  ## print the API to schema/schema.graphql and the database to sql/schema.sql
	@$(BIN)/python -m schema.print > schema/.printed && mv schema/.printed schema/schema.graphql || { rm -f schema/.printed; exit 1; }
	@$(BIN)/python -m local.dump > sql/.printed && mv sql/.printed sql/schema.sql || { rm -f sql/.printed; exit 1; }

manifest: $(VENV)  ## the documents that are known beforehand: GraphiQL's, and those of the folder DOCUMENTS
	@$(BIN)/python -m resolvers.manifest graphiql/queries graphiql/requests $(DOCUMENTS) > resolvers/.manifest \
	    && mv resolvers/.manifest resolvers/manifest.json || { rm -f resolvers/.manifest; exit 1; }

migrate: $(VENV)  ## bring the database of LANDLORD_MIGRATOR_URL up to date
	@$(BIN)/landlord migrate

package: $(VENV) $(BUNDLE)  ## build the Lambda artifacts, the API's and the workers', the same bytes every time
	@$(BIN)/python -m local.package --functions api
	@$(BIN)/python -m local.package --functions worker

attacks: $(VENV)  ## SQL injected into real requests, on the database as it is and on weaker ones
	@$(BIN)/python -m pytest -n 2 -rP --show-capture=stdout tests/attacks/*.py $(PYTEST_ARGS)

.PHONY: artifacts deployable deployed runtime deploy memory
artifacts: $(VENV) $(BUNDLE)  ## build the artifacts of both targets, twice and elsewhere: the same bytes, and all made for the target
	@printf '%s\n' 'worker arm64 3.13' 'worker x86_64 3.11' 'api arm64 3.13' 'api x86_64 3.11' | \
	    xargs -P 2 -L 1 sh -c '$(BIN)/python -m local.package --functions $$0 --architecture $$1 --python $$2'
	@$(BIN)/python -m pytest -n 2 tests/deployment/artifacts.py

deployable: package node_modules/.complete $(LINTERS)  ## package both stages without credentials, and judge what would be deployed
	@for stage in dev prod; do \
	    npx --no-install osls package --stage $$stage --package build/deployable/$$stage > /dev/null || exit 1; \
	done
	@$(BIN)/python -m pytest tests/deployment/deployable.py

deployed: $(VENV) $(BUNDLE) $(EMULATOR) node_modules/.complete  ## deploy to the AWS emulator, use it over its gateway, remove it
	@for functions in api worker; do \
	    $(BIN)/python -m local.package --functions $$functions --architecture $(word 1,$(here)) --python $(word 2,$(here)) || exit 1; \
	done
	@npx --no-install osls package --stage dev --package build/deployed \
	    --param architecture=$(word 1,$(here)) --param python=$(word 2,$(here)) > /dev/null
	@$(BIN)/python -m pytest tests/deployment/deployed.py

runtime: $(VENV) $(BUNDLE) $(RUNTIME)  ## run the artifact under Lambda's runtime client, frozen for a minute meanwhile (LANDLORD_FREEZE), by another Python (LAMBDA=3.13)
	@$(BIN)/python -m local.package --functions api --architecture $(word 1,$(here)) --python $(or $(LAMBDA),$(word 2,$(here)))
	@LANDLORD_RUNTIME_PYTHON=$(LAMBDA) $(BIN)/python -m pytest -s tests/deployment/runtime.py

deploy: package node_modules/.complete  ## deploy to AWS the stage named by STAGE: the database first, then the code
	@npx --no-install osls deploy function --stage $(STAGE) --function migrate
	@npx --no-install osls invoke --stage $(STAGE) --function migrate
	@npx --no-install osls deploy --stage $(STAGE)

bench: $(VENV) $(BUNDLE) $(EMULATOR) $(FASTER) $(PEERS)  ## measure speed, beside peers and floors (Linux on x86_64)
	@$(BIN)/python -m bench $(BENCH_ARGS)

memory: $(VENV) $(BUNDLE) $(EMULATOR) $(RUNTIME)  ## measure memory and CPU of each function in its artifact
	@for functions in api worker; do \
	    $(BIN)/python -m local.package --functions $$functions --architecture $(word 1,$(here)) --python $(word 2,$(here)) || exit 1; \
	done
	@$(BIN)/python -m bench.memory

crash: $(VENV) $(EMULATOR)  ## billing, its workers killed and its database stopped 100 times (LANDLORD_CRASHES)
	@$(BIN)/python -m pytest -s tests/crash/crash.py

histories: $(VENV) $(EMULATOR)  ## 1,000 random lives of a customer (HISTORIES): whatever happens, the books are right
	@$(BIN)/python -m pytest -n 2 tests/histories --histories $(HISTORIES)

agreement: $(VENV)  ## 2,000 random customers (CUSTOMERS): rating, preview, run and recomputation agree to the cent
	@$(BIN)/python -m pytest tests/agreement --customers $(CUSTOMERS)

planner: $(VENV) $(EMULATOR)  ## 20,000 random documents (RANDOM_DOCUMENTS): their plans answer as graphql-core does
	@$(BIN)/python -m pytest -n 2 tests/planner --documents $(RANDOM_DOCUMENTS)

hostile: $(VENV)  ## how much CPU hostile requests cost: none may cost more than 100 ms
	@$(BIN)/python -m bench.hostile

audits: $(VENV) node_modules/.complete $(BUNDLE)  ## GraphQL over HTTP: the audits of graphql-http against the running server
	@$(BIN)/python -m local.against npm run --silent audits -- '{url}'

browser: $(VENV) node_modules/.complete $(BUNDLE)  ## GraphiQL in headless Chromium (Debian's `chromium` must be there)
	@$(BIN)/python -m local.against npm run --silent browser -- '{url}'

pooler: $(BUNDLE) $(EMULATOR)  ## every test through PgBouncer, with a relay that listens in (Debian's `pgbouncer` must be there)
	@$(BIN)/python -m pytest -n 2 --pooler --operations $(OPERATIONS) -rs $(PYTEST_ARGS)

fuzz: $(BUNDLE) $(EMULATOR) $(FUZZER)  ## schemathesis asks the running server, as tenant and operator (EXAMPLES of each field, SEED)
	@EXAMPLES=$(EXAMPLES) SEED=$(SEED) $(BIN)/python -m local.against $(BIN)/python -m tests.fuzz.run '{url}'

interleaved: $(VENV)  ## 10,000 random operations of five tenants on one event loop (OPERATIONS)
	@$(BIN)/python -m pytest tests/interleaved --operations $(OPERATIONS) $(PYTEST_ARGS)

older: $(EMULATOR) $(OLDER)/.complete  ## migrations, isolation and billing on the oldest PostgreSQL that is taken (Linux on x86_64)
	@LANDLORD_POSTGRES_BIN=$(OLDER)/postgres-17/native/bin $(BIN)/python -m pytest -n 2 tests/db tests/billing_runs $(PYTEST_ARGS)

ground: $(VENV) node_modules/.complete $(BUNDLE) $(EMULATOR)  ## install and build all that other commands need

lock: $(VENV)  ## write requirements*.txt anew from requirements*.in
	@for set in requirements requirements-worker requirements-dev requirements-aws requirements-lint requirements-fuzz requirements-runtime requirements-bench; do \
	    $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	        --no-header --no-emit-index-url --no-emit-find-links $$set.in --output-file $$set.txt || exit 1; \
	done

clean:  ## remove what was built and installed; the database of `make run` stays
	@rm -rf .venv node_modules bench/peers/node_modules build graphiql/dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

# Python: one environment, exactly what requirements-dev.txt says. Even uv, which installs the rest, comes by its hash.
$(VENV): requirements-dev.txt pyproject.toml
	@python=; for it in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	    if "$$it" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then python=$$it; break; fi; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "Landlord needs Python 3.11 or newer: install it, or name one with make PYTHON=/path/to/python3." >&2; exit 1; \
	fi; \
	if ! $(BIN)/python -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Python: making .venv with $$($$python --version)"; \
	    "$$python" -m venv --clear .venv || { \
	        echo "Landlord needs Python's own venv module: on Debian and Ubuntu it is the package python3-venv." >&2; exit 1; }; \
	fi
	@echo "Python: installing requirements-dev.txt"
	@awk '/^uv==/ { found = 1 } found { print } found && !/\\$$/ { exit }' requirements-dev.txt > .venv/uv.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r .venv/uv.txt
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.txt
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

# Python once more, for the AWS emulator: what it needs is its own affair.
$(EMULATOR): requirements-aws.txt | $(VENV)
	@echo "Python: installing requirements-aws.txt"
	@$(BIN)/python -m local.aws && touch $@

# And for what judges a CloudFormation template: checkov brings a `schema` of its own.
$(LINTERS): requirements-lint.txt | $(VENV)
	@echo "Python: installing requirements-lint.txt"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/lint
	@$(BIN)/uv pip sync --quiet --python build/lint/bin/python --require-hashes requirements-lint.txt
	@touch $@

# And for what asks random questions.
$(FUZZER): requirements-fuzz.txt | $(VENV)
	@echo "Python: installing requirements-fuzz.txt"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python build/fuzz
	@$(BIN)/uv pip sync --quiet --python build/fuzz/bin/python --require-hashes requirements-fuzz.txt
	@touch $@

# And for what runs the artifact, which must find nothing else there.
$(RUNTIME): requirements-runtime.txt | $(VENV)
	@echo "Python: installing requirements-runtime.txt"
	@python=$(BIN)/python; \
	if [ -n "$(LAMBDA)" ]; then \
	    python=$$($(BIN)/python -c "from local.package import interpreter_of; print(interpreter_of('$(LAMBDA)') or '')"); \
	    if [ -z "$$python" ]; then echo "There is no python$(LAMBDA) on the PATH." >&2; exit 1; fi; \
	fi; \
	PYENV_VERSION=$(LAMBDA) $(BIN)/uv venv --quiet --clear --python "$$python" $(@D)
	@$(BIN)/uv pip sync --quiet --python $(@D)/bin/python --require-hashes requirements-runtime.txt
	@touch $@

# And for the servers that are measured: what they see besides is this folder.
$(FASTER): requirements-bench.txt | $(VENV)
	@echo "Python: installing requirements-bench.txt"
	@rm -rf build/bench
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --target build/bench --require-hashes -r requirements-bench.txt
	@touch $@

# Node: the page alone needs less than the audits, the browser and deployments do.
$(BUNDLE): $(SOURCES_OF_BUNDLE) package.json package-lock.json | node_modules/.built-with
	@$(node_is_there)
	@echo "Node: bundling GraphiQL"
	@npm run --silent build
	@touch $@

node_modules/.built-with: package.json package-lock.json .npmrc
	@$(node_is_there)
	@echo "Node: installing what GraphiQL needs"
	@$(NPM_CI) --omit=dev > /dev/null
	@touch $@

node_modules/.complete: package.json package-lock.json .npmrc
	@$(node_is_there)
	@echo "Node: installing package-lock.json"
	@$(NPM_CI) > /dev/null
	@touch node_modules/.built-with $@

$(OLDER)/.complete: tests/older/package.json tests/older/package-lock.json
	@$(node_is_there)
	@echo "Node: installing tests/older/package-lock.json"
	@$(NPM_CI) --prefix tests/older > /dev/null
	@cd $(OLDER)/postgres-17 && node scripts/hydrate-symlinks.js
	@touch $@

$(PEERS): bench/peers/package.json bench/peers/package-lock.json bench/peers/.npmrc
	@$(node_is_there)
	@echo "Node: installing bench/peers/package-lock.json"
	@$(NPM_CI) --prefix bench/peers > /dev/null
	@touch $@

# What this machine is, as Lambda names it: processor and Python.
here = $(shell $(BIN)/python -c "import platform, sys; print({'aarch64': 'arm64'}.get(platform.machine(), platform.machine()), '%d.%d' % sys.version_info[:2])")

define node_is_there
if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null \
    || ! npm --version > /dev/null 2>&1; then \
    echo "Landlord needs Node 20.19 or newer, with npm, for GraphiQL: install it, and put node and npm on the PATH." >&2; exit 1; \
fi
endef
