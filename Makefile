# Thin on purpose: each target is a command that can be typed as well.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/

# The Debian packages before the checks that use them, also with `make -j`.
.NOTPARALLEL:

.PHONY: demo test test-all check faults bench lab-up lab-down clean install wheel lock group-data

demo: requirements
	$(RUN)python -m lab.demo

# What the tests of a whole run have shown.
RESULTS := .test-results.xml

# Everything, but of the slowest tests a part that follows from the commit: tests/conftest.py has the list.
SAMPLE ?= $(shell git rev-parse HEAD 2>/dev/null || echo none)
test: requirements check
	$(RUN)pytest tests -m '' --sample $(SAMPLE) --junit-xml $(RESULTS)

test-all: requirements check
	$(RUN)pytest tests -m '' --junit-xml $(RESULTS)

# docs/tried.md, out of the results of the last full run.
.PHONY: tried
tried: $(VENV)/.installed
	$(RUN)python -m tests.tried $(RESULTS) >docs/tried.md.new
	mv docs/tried.md.new docs/tried.md

# Needs none of the lab's Debian packages but Perl::Critic; its last command says so if that is missing.
check: $(VENV)/.installed
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy .
	$(RUN)lint-imports --no-logo
	$(RUN)python -m tests.lint_on_host

# group_data/all.py, out of the definitions in settings.py.
group-data: $(VENV)/.installed
	$(RUN)python -m smtp_auth.settings >group_data/all.py.new
	mv group_data/all.py.new group_data/all.py

# Every fault at every system call of a change. What was tried stays in .lab/faults.jsonl: it goes on where it was cut off.
faults: requirements
	$(RUN)python -m tests.faults folder
	$(RUN)python -m tests.faults hosts

bench: requirements .venv-bench/.installed
	$(RUN)python -m bench

lab-up: requirements
	$(RUN)python -m lab up

# Says what stays.
lab-down:
	$(PYTHON) -m lab down

# Deletes that, too, in this checkout and elsewhere on the machine.
clean:
	$(PYTHON) -B -m lab clean

# .venv/bin/smtp-auth, which runs what is in this checkout.
install: $(VENV)/.installed

# What `pip install` and `pipx install` take: dist/*.whl.
wheel: $(VENV)/.installed
	$(RUN)hatchling build --target wheel

# The lab's Debian packages, and the Python packages at the versions of the lock.
.PHONY: requirements
requirements: lab-requirements $(VENV)/.installed

.PHONY: lab-requirements
lab-requirements:
	@$(PYTHON) -m lab.packages

# Beside the lab's images: `make clean` deletes both.
PIP_CACHE = "$${XDG_CACHE_HOME:-$$HOME/.cache}/smtp-auth-lab/pip"
PIP = $(@D)/bin/pip --cache-dir $(PIP_CACHE) install --quiet --disable-pip-version-check

# The program itself is no part of the lock: pip builds it with what the lock has installed.
$(VENV)/.installed: requirements-dev.txt pyproject.toml hatch_build.py
	$(MAKE_VENV)
	$(PIP) --require-hashes -r $<
	$(PIP) --no-deps --no-build-isolation --editable .
	# pyinfra tells Python to keep no compiled modules, so each run would compile ours again.
	$(@D)/bin/python -m compileall -q smtp_auth operations
	@touch $@

.venv-bench/.installed: bench/requirements.txt
	$(MAKE_VENV)
	$(PIP) --require-hashes -r $<
	@touch $@

MAKE_VENV = @test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D) || { \
	    echo "python3-venv is missing: apt-get install python3-venv" >&2; exit 1; }

# Pin what it needs to run, that and what working on it needs, and the benchmark's: with hashes, without an
# index address (needs uv).
COMPILE = uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet
lock:
	$(COMPILE) pyproject.toml --output-file requirements.txt
	$(COMPILE) pyproject.toml --extra queue --constraints requirements.txt --output-file requirements-queue.txt
	$(COMPILE) pyproject.toml --extra queue --group dev --constraints requirements.txt --output-file requirements-dev.txt
	cd bench && $(COMPILE) requirements.in --output-file requirements.txt

# The screens that tests compare, out of runs on the lab; and docs/preview.svg and docs/refusal.svg, out of these.
.PHONY: screens pictures
screens: requirements
	$(RUN)python -m tests.screens

pictures: $(VENV)/.installed
	$(RUN)python -m tests.screens.pictures
