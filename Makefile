# `make demo` shows the main job, `make test` checks everything, `make quick` what is fast. Each sets up what it needs.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
OUT    ?= sessions/demo
FACES  ?= faces
ROUNDS ?= 10
REPRODUCE ?= --size 64 --epochs 6 --share 0.25 --trials 2
MODELS ?= $(patsubst bundle/%/bundle.json,%,$(sort $(wildcard bundle/*/bundle.json)))
FRAMES ?= 200000
CLIP   ?= ../shared/clips/head-pose-face-detection-male.gif
WORKERS ?= 2
PYTEST  = $(BIN)/python -m pytest
BESIDE  = -n $(WORKERS) --dist loadscope --no-loadscope-reorder
QUICK   = not (slow or train or campaign or old_python or peers)

.PHONY: demo quick test cases test-all test-train test-old-pythons test-peers test-boot check style types tools format faults soak \
	wheel models-wheel lock benchmark export reproduce clean

demo: $(VENV)/.demo ## run the bundled model over the demo source and report
	$(BIN)/fer-edge models fetch || echo "no detector weights to be had: going on with the Haar detector"
	$(BIN)/fer-edge run --source demo --out $(OUT) --video --replace
	$(BIN)/fer-edge report $(OUT)

quick: $(VENV)/.dev style ## style, types and every fast test: two minutes
	$(call tested,-m "$(QUICK)")

test: ## everything that CI checks: style, types, all tests but whole campaigns, with the programs that they need
	@$(MAKE) --no-print-directory -j2 tools $(VENV)/.dev
	@$(MAKE) --no-print-directory style
	$(call tested,-m "not campaign")

# Types beside the tests, because mypy leaves a core idle; what it found comes last.
define tested
	@mkdir -p build/types && ln -sfn ../.. build/types/fer_edge
	@$(BIN)/mypy > build/types.txt 2>&1 & types=$$!; $(PYTEST) $(BESIDE) $(1); code=$$?; \
		wait $$types || { cat build/types.txt; code=1; }; exit $$code
endef

cases: $(VENV)/.dev ## every fault that strangers met, by their own files
	$(PYTEST) tests/cases

test-all: $(VENV)/.dev ## every test, campaigns too; `make faults`, `make soak` and `make test-boot` are longer still
	$(PYTEST) $(BESIDE)

test-train: $(VENV)/.dev ## only what trains or exports a network
	$(PYTEST) $(BESIDE) -m train

test-old-pythons: $(VENV)/.dev ## workers and first boot under Python 3.6 to 3.10, with the vendors' libraries
	$(PYTEST) -m old_python

test-peers: $(VENV)/.dev ## other packages, installed and asked: those of docs/benchmarks.md, and Home Assistant
	$(PYTEST) -m peers

test-boot: $(VENV)/.dev ## flash a card and boot it in an emulator; docs/flash.md says what that needs and proves
	$(PYTEST) -x -p no:cacheprovider tests/campaigns/boot/boot_proof.py

faults: $(VENV)/.dev ## hurt a real kiosk in fourteen ways, ten rounds each, in at most 20 minutes
	PYTHONPATH=tests $(BIN)/python -m campaigns.faults --rounds $(ROUNDS)

soak: $(VENV)/.dev ## 200,000 frames through a whole kiosk: does it grow?
	PYTHONPATH=tests $(BIN)/python -m campaigns.soak --frames $(FRAMES)

check: style types

style: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev
	mkdir -p build/types && ln -sfn ../.. build/types/fer_edge
	$(BIN)/mypy

tools: ## the system's programs that some tests need, where this user may install them
	@.ci/tools

format: $(VENV)/.dev ## rewrite files in the house style
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: $(VENV)/.dev ## packaging/locks: what a card gets, by version and hash; asks the package index
	$(BIN)/python -m fer_edge.devices.flash.payload.lock

wheel: $(VENV)/.dev ## dist/*.whl
	rm -rf build/lib build/bdist.*  # else what was deleted since the last one is packed again
	$(BIN)/python -m build --wheel

models-wheel: $(VENV)/.dev ## dist/fer_edge_models-*.whl, ready-made artifacts for `fer-edge models add`; bundle/ready_made.csv
	$(BIN)/python -m fer_edge.export.targets.ready_made

benchmark: $(VENV)/.dev ## measure this machine, with labelled faces in FACES=folder, into docs/benchmarks.md
	$(BIN)/fer-edge models fetch
	$(BIN)/fer-edge benchmark --matrix --scope both --threads 1 --clip $(CLIP) --labelled $(FACES) \
		--out build/benchmark --replace
	$(BIN)/python -m fer_edge.benchmarks.studies.machine_page --results build/benchmark --clip $(CLIP) --faces $(FACES) \
		--write docs/benchmarks.md

export: $(VENV)/.dev ## export every model that ships to everything, measured on FACES=folder, into docs/export.md
	for name in $(MODELS); do \
		$(BIN)/fer-edge export $$name --target all --calibration $(FACES) --labelled $(FACES) --out build/export/$$name || exit 1; \
		$(BIN)/fer-edge export $$name --target rknn --calibration $(FACES) --labelled $(FACES) --out build/export/$$name || exit 1; \
	done
	$(BIN)/python -m fer_edge.export.table $(MODELS:%=build/export/%) --write docs/export.md

reproduce: $(VENV)/.dev ## the published study on FACES=folder, from where it stopped; docs/reproduction.md
	$(BIN)/fer-edge reproduce --data $(FACES) --out build/reproduction --docs docs $(REPRODUCE)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || ( rm -rf $(VENV) && \
		$(PYTHON) -m pip install --quiet --target build/virtualenv virtualenv && \
		PYTHONPATH=build/virtualenv $(PYTHON) -m virtualenv --quiet $(VENV) )  # Debian without python3-venv

$(VENV)/.demo: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[report,video]'
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --no-compile -c constraints.txt -e '.[dev]'
	touch $@

clean: ## remove what make made
	rm -rf $(VENV) .cache build dist *.egg-info
