# The two commands of the README: `make course` and `make test`. Each target does only what is out
# of date; `make help` lists them.

# The lock file is for Python 3.11.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
ASSIGNMENT ?= 01-autodiff
SAMPLE := build/sample-class
SUBMISSIONS ?= $(SAMPLE)/submitted
OUTPUT ?= $(SAMPLE)
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PORT ?= 8000

# Everything but the grader, of which the book says nothing.
ENGINE := $(shell find dlcourse -name '*.py' -not -path 'dlcourse/grading/*')
PAGES := $(wildcard book/*.md book/reference/*.md)
ASSIGNMENTS := $(wildcard solutions/*/*.md solutions/*/files/*)
BOOK := build/_build/html/index.html

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help course test lint env sandbox browser book notebooks exercises sample grade compare bench serve picture lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

course: env sandbox book notebooks exercises grade ## everything: environment, book, notebooks, a sample class graded
	@echo
	@echo "The course is ready:"
	@echo "  book        $(BOOK)   (or: make serve)"
	@echo "  notebooks   book/notebooks/"
	@echo "  exercises   exercises/"
	@echo "  marks       $(OUTPUT)/marks/$(ASSIGNMENT).csv"
	@echo "  feedback    $(OUTPUT)/feedback/"
	@echo "  gradebook   $(OUTPUT)/gradebook.db"

test: lint sandbox browser book ## everything that CI checks
	$(BIN)/pytest tests/engine --numprocesses $(JOBS)
	$(BIN)/pytest tests book/notebooks --nbval --ignore tests/engine

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

env: .venv/installed ## .venv with the pinned requirements and this checkout

.venv/installed: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
		{ echo "The course needs Python 3.11; $(PYTHON) is `$(PYTHON) --version`. Set PYTHON=/path/to/python3.11."; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "Python's venv module is missing: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable .
	@touch $@

sandbox:
	@tools/system_packages.sh bwrap

browser:
	@tools/system_packages.sh chromium

book: $(BOOK) ## the executed HTML book

# The cache of executed cells knows the chapters, but not the engine that they call.
build/_build/engine: $(ENGINE)
	@rm -rf build/_build/.jupyter_cache
	@mkdir -p $(@D) && touch $@

$(BOOK): build/_build/engine $(PAGES) $(wildcard book/_ext/*.py book/_static/*.css book/_static/benchmarks/*) book/references.bib _config.yml _toc.yml | env
	$(BIN)/jupyter-book build . --config _config.yml --toc _toc.yml --path-output build -W -n --keep-going
	@touch $@

notebooks: env ## the chapters as notebooks with their outputs, book/notebooks/
	$(BIN)/python tools/notebooks.py

exercises: build/exercises.stamp ## the students' notebooks, exercises/

build/exercises.stamp: $(ASSIGNMENTS) $(wildcard exercises/*/*) tools/exercises.py | env
	$(BIN)/python tools/exercises.py
	@touch $@

sample: $(SAMPLE)/made ## a sample class to grade, honest and hostile

$(SAMPLE)/made: build/exercises.stamp tools/sample_class.py tools/answers.py $(wildcard solutions/*/wrong/*.py) | env
	$(BIN)/python tools/sample_class.py $(SAMPLE)
	@touch $@

grade: env sandbox exercises $(if $(filter $(SAMPLE)/%,$(SUBMISSIONS)),sample) ## grade a class: ASSIGNMENT=, SUBMISSIONS=, OUTPUT=, JOBS= (by default the sample class)
	$(BIN)/dlcourse grade $(ASSIGNMENT) --submissions $(SUBMISSIONS) --output $(OUTPUT) --jobs $(JOBS)

bench: env ## time a training step beside NumPy by hand, PyTorch, TensorFlow: build/benchmarks
	$(BIN)/python -m benchmarks.run

compare: env sandbox sample ## stock nbgrader and this grader on the sample class, into the README
	$(BIN)/python tools/compare_with_stock.py --write README.md

serve: book ## the book on http://localhost:8000 (PORT=)
	$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory $(dir $(BOOK))

picture: book browser ## the README's picture of the book
	$(BIN)/python tools/readme_picture.py

lock: env ## pin the requirements anew after a change in pyproject.toml
	$(BIN)/python tools/lock.py

clean: ## delete what was generated and is not committed (not .venv)
	rm -rf build
