# Thin on purpose: each target is a command that can be typed as well.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/

.PHONY: demo test check verify bench lab-up lab-down lock group-data

demo: requirements
	$(RUN)python -m lab.demo

test: requirements check
	$(RUN)pytest tests

check: $(VENV)/.installed
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy .
	$(RUN)python -m tests.lint_on_host

# group_data/all.py, out of the definitions in settings.py.
group-data: $(VENV)/.installed
	$(RUN)python -m smtp_auth.settings >group_data/all.py.new
	mv group_data/all.py.new group_data/all.py

verify: $(VENV)/.installed
	$(RUN)pytest tests/verify

bench: requirements .venv-bench/.installed
	$(RUN)python -m bench

lab-up: requirements
	$(RUN)python -m lab up

lab-down:
	$(PYTHON) -m lab down

# The lab's Debian packages, and the Python packages at the versions of the lock.
.PHONY: requirements
requirements: lab-requirements $(VENV)/.installed

.PHONY: lab-requirements
lab-requirements:
	@lab/install-requirements

$(VENV)/.installed: requirements.txt
.venv-bench/.installed: bench/requirements.txt
$(VENV)/.installed .venv-bench/.installed:
	@test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D) || { \
	    echo "python3-venv is missing: apt-get install python3-venv" >&2; exit 1; }
	$(@D)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Pin every dependency of both requirements.in, with hashes and without an index address (needs uv).
lock:
	for folder in . bench; do (cd $$folder && \
	    uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	        --quiet requirements.in --output-file requirements.txt) || exit 1; done
