# The two commands of the README: `make course` and `make test`. Each target does only what is out
# of date; `make help` lists them.

# The newest supported Python that there is (tools/supported_pythons.txt); PYTHON=/path/to/python takes another.
PYTHON ?= $(shell tools/find_python.sh)
BIN := .venv/bin
ASSIGNMENT ?= 01-autodiff
SAMPLE := build/sample-class
SUBMISSIONS ?= $(SAMPLE)/submitted
OUTPUT ?= $(SAMPLE)
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PORT ?= 8000
# A sample of 200 over the engine takes about 20 minutes.
PLACES ?= dlcourse/ops dlcourse/autodiff dlcourse/graphs dlcourse/losses dlcourse/optimizers dlcourse/nn
TESTS ?= tests/engine
COUNT ?= 200
SEED ?= 0

# Every program here reads and writes UTF-8, whatever the locale.
export PYTHONUTF8 := 1

# Everything but the grader, of which the book says nothing.
ENGINE := $(shell find dlcourse -name '*.py' -not -path 'dlcourse/grading/*')
PAGES := $(wildcard book/*.md book/reference/*.md)
ASSIGNMENTS := $(wildcard solutions/*/*.md solutions/*/checks.py solutions/*/files/*)
BOOK := build/_build/html/index.html

.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help course test engine lint mutate links env sandbox browser book notebooks exercises student sample grade compare bench serve pdf picture lock clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

course: env sandbox book notebooks exercises student grade ## everything: environment, book, notebooks, a sample class graded
	@echo
	@echo "The course is ready:"
	@echo "  book        $(BOOK)   (or: make serve)"
	@echo "  your work   work/notebooks/ and work/exercises/   (in JupyterLab: $(BIN)/jupyter lab work)"
	@echo "  marks       $(OUTPUT)/marks/$(ASSIGNMENT).csv"
	@echo "  feedback    $(OUTPUT)/feedback/"
	@echo "  gradebook   $(OUTPUT)/gradebook.db"

test: lint sandbox browser book ## everything that CI checks; BUSY=8: the grader's tests beside eight busy loops
	$(BIN)/pytest tests/engine -p no:nbval --numprocesses $(JOBS)
	$(BIN)/python tools/engine_tests.py
	$(BIN)/pytest tests book/notebooks --nbval --ignore tests/engine --ignore tests/grading --numprocesses $(JOBS) --dist loadfile
	$(if $(BUSY),$(BIN)/python tools/busy.py $(BUSY)) $(BIN)/pytest tests/grading -p no:nbval --numprocesses $(JOBS) --dist loadfile

engine: ## the engine's tests by itself, on each supported Python on this machine
	$(PYTHON) tools/engine_tests.py

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/codespell

env: .venv/installed ## .venv with the pinned requirements and this checkout

.venv/installed: requirements.txt pyproject.toml
	@tools/check_python.sh $(PYTHON)
	@$(PYTHON) tools/environment.py
	@touch $@

sandbox:
	@tools/system_packages.sh bwrap

browser:
	@tools/system_packages.sh chromium

book: $(BOOK) ## the executed HTML book

$(BOOK): $(ENGINE) $(PAGES) $(wildcard dlcourse/views/stage/stage.* book/_ext/*.py book/_static/*.css book/_static/*.js book/_static/fonts/* book/_ext/temml/* book/_static/benchmarks/*) book/references.bib README.md _config.yml _toc.yml requirements.txt | env
	@$(BIN)/python tools/fresh_cells.py build/_build
	$(BIN)/jupyter-book build . --config _config.yml --toc _toc.yml --path-output build -W -n --keep-going
	@touch $@

mutate: env ## do tests notice small changes? PLACES= TESTS= COUNT= SEED=, or ASSIGNMENT=01-autodiff
ifeq ($(origin ASSIGNMENT),command line)
	$(BIN)/python tools/mutate_assignment.py $(ASSIGNMENT) --jobs $(JOBS)
else
	$(BIN)/python tools/mutate.py $(PLACES) --tests $(TESTS) --count $(COUNT) --seed $(SEED) --jobs $(JOBS)
endif

links: env ## do the pages that the book cites still exist? (needs the internet)
	@$(BIN)/python tools/fresh_cells.py build/_build
	$(BIN)/jupyter-book build . --config _config.yml --toc _toc.yml --path-output build --builder custom --custom-builder linkcheck

notebooks: env ## the chapters as notebooks with their outputs, book/notebooks/
	$(BIN)/python tools/notebooks.py

exercises: build/exercises.stamp ## the students' notebooks, exercises/

build/exercises.stamp: $(ASSIGNMENTS) $(wildcard exercises/*/*) tools/exercises.py tools/products.py | env
	$(BIN)/python tools/exercises.py
	@touch $@

student: notebooks exercises ## a folder to work in, work/: assignments and chapters; what you edit in it stays
	$(BIN)/python tools/student_folder.py

sample: $(SAMPLE)/made ## a sample class to grade, honest and hostile

$(SAMPLE)/made: build/exercises.stamp tools/sample_class.py tools/sample_students.py dlcourse/grading/assignments/answers.py $(wildcard solutions/*/wrong/*.py) | env
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

pdf: book browser ## the whole book to print, build/book.pdf
	$(BIN)/python tools/pdf.py

picture: book browser ## the README's picture of the book
	$(BIN)/python tools/readme_picture.py

lock: env ## pin the requirements after a change in pyproject.toml
	$(BIN)/python tools/lock.py

clean: ## delete what was generated and is not committed (not .venv)
	rm -rf build
