#!/usr/bin/env bash
# environment.sh FOLDER: nerfstudio 1.1.5 and this package in an environment of their own, about 4 GB.
#
# nerfstudio's pins (numpy < 2, viser 0.2.7, OpenCV 4.10) fight ours, so splatsim comes without its dependencies, and
# what its renderer and fit lack there comes by name.
set -euo pipefail
folder=$1
here=$(cd "$(dirname "$0")/../.." && pwd)
python=${PYTHON:-python3}
[ -x "$folder/bin/python" ] || "$python" -m venv "$folder"
pip=("$folder/bin/python" -m pip install --quiet --disable-pip-version-check)
printf 'torch==2.13.0\ntorchvision==0.28.0\n' > "$folder/constraints.txt"
index=()
if [ -n "${TORCH_INDEX:-}" ]; then index=(--index-url "$TORCH_INDEX"); fi
"${pip[@]}" "${index[@]}" torch==2.13.0
"${pip[@]}" -c "$folder/constraints.txt" nerfstudio==1.1.5
"${pip[@]}" "zstandard>=0.23"
"${pip[@]}" --no-deps "$here"
# A torchvision that was built for CUDA does not name its operators beside a CPU build of torch, and cannot be imported.
cp "$here/tests/nerfstudio/torchvision_operators.py" "$("$folder/bin/python" -c 'import site; print(site.getsitepackages()[0])')/sitecustomize.py"
