# The front door. Everything runs in .venv, which `setup` makes and brings up to date.

# once there is an environment, the Python it was made with
PYTHON ?= $(shell test -x .venv/bin/python && echo .venv/bin/python || echo python3)
IN_VENV = . .venv/ros.sh &&
# processes that run tests side by side; 0: one after the other, in one process
WORKERS ?= auto
# share of the work of `soak`
SCALE ?= 1

.PHONY: help have-python setup demo test test-slow soak lint docs clean

help:
	@echo "make demo    segment the bundled scan with real ROS 2 nodes; results in out/demo"
	@echo "make test    lint, types and all tests but the slow ones, with their line coverage;"
	@echo "             WORKERS=0 runs them one after the other"
	@echo "make test-slow   the tests that take minutes: a model that overfits two rooms"
	@echo "make soak    an hour of floods, kills and malformed clouds for segment_node; its report in"
	@echo "             out/soak; SCALE=0.1 takes a tenth of everything"
	@echo "make lint    lint and types only"
	@echo "make docs    the documentation and the API reference as a site in out/docs"
	@echo "make setup   the environment alone: .venv with PyTorch, ROS 2 and our messages"
	@echo "make clean   remove .venv and everything else that was made"
	@echo
	@echo "All but help and clean set up first: some minutes and a network the first time, then"
	@echo "a moment and no network. Use a certain Python with: make setup PYTHON=python3.12"

have-python:
	@command -v $(PYTHON) > /dev/null || \
	  { echo "setup: there is no $(PYTHON): install Python 3.10 or newer" >&2; exit 1; }

setup: have-python
	@$(PYTHON) tools/setup_venv.py

demo: setup
	@$(IN_VENV) python -m mask3d_ros.demo --output out/demo

test: lint
	@$(IN_VENV) python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile \
	  --no-loadscope-reorder --cov

test-slow: setup
	@$(IN_VENV) python -m pytest -m slow

soak: setup
	@$(IN_VENV) python tools/soak.py --scale $(SCALE)

lint: setup
	@$(IN_VENV) ruff check .
	@$(IN_VENV) mypy

docs: have-python
	@$(PYTHON) tools/setup_venv.py docs
	@NO_MKDOCS_2_WARNING=1 .venv/docs/bin/mkdocs build --strict
	@echo "docs: out/docs/index.html"

clean:
	rm -rf .venv build install log out *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
