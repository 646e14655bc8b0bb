# Two commands do everything: `make demo` and `make test`. Both make the environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
NATIVE := CMakeLists.txt $(shell find splatsim/native -name '*.cpp' -o -name '*.hpp')

# torch comes first and from TORCH_INDEX when it is set, so that nothing else picks a build with CUDA libraries.
INDEX := $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))

.PHONY: demo room test slow test-nerfstudio lint speed worlds clean

# The built-in video of an apartment, from footage to a scene: about six minutes on two cores. The camera was carried
# at about 1.5 m, which gives the scene its metres.
demo: $(VENV)/installed
	$(BIN)/splatsim reconstruct scenes/apartment/apartment.mp4 --camera-height 1.5 --steps 4500 \
		--out out/apartment --overwrite

# A generated room, in seconds: nothing but the renderer.
room: $(VENV)/installed
	$(BIN)/python scenes/box_room/make.py --out out/box_room.ply
	$(BIN)/splatsim render out/box_room.ply --out out/box_room.mp4 --path inside --overwrite

test: $(VENV)/installed
	$(BIN)/python -m pytest -m "not slow"

slow: $(VENV)/installed
	$(BIN)/python -m pytest -m slow

# The generated worlds, as committed and whole; see scenes/README.md.
worlds: $(VENV)/installed
	$(BIN)/python scenes/apartment/make.py --seed 1 --out out/worlds/apartment --overwrite
	$(BIN)/python scenes/quarry/make.py --seed 1 --out out/worlds/quarry --overwrite
	$(BIN)/python scenes/compare.py scenes/apartment out/worlds/apartment
	$(BIN)/python scenes/compare.py scenes/quarry out/worlds/quarry

# nerfstudio itself, in an environment of its own: about 4 GB, and many minutes on two cores.
test-nerfstudio:
	bash tests/nerfstudio/environment.sh out/nerfstudio/environment
	$(PYTHON) tests/nerfstudio/run.py out/nerfstudio/environment out/nerfstudio/work

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

speed: $(VENV)/installed
	$(BIN)/python bench/speed.py

$(VENV)/installed: pyproject.toml constraints.txt $(NATIVE)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(INDEX) torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --editable ".[dev,mesh]"
	touch $@

clean:
	rm -rf $(VENV) build out
