#!/usr/bin/env bash
# Runs the tests against other versions of torch, each in a fresh environment with the wheel and, for all but torch, the
# pins of third_party/python. Usage, from a clone in which ./dev test python has run: check_torch.sh WHEEL VERSION...
# Not part of ./dev test: each version is a download of up to 3 GB.
set -euo pipefail
readonly wheel=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
for version in "$@"; do
  folder=$(mktemp -d)
  python3 -m venv "$folder"
  if "$folder/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir "torch==$version" >"$folder/log" 2>&1; then
    "$folder/bin/pip" install --quiet --disable-pip-version-check --no-deps \
      -r ../../third_party/python/requirements.txt "$wheel" >"$folder/log" 2>&1
    # Without src, so that the wheel's package is the one that is tested.
    OMP_NUM_THREADS=1 "$folder/bin/python" -m pytest -q -n 2 --dist loadfile -p no:cacheprovider \
      --override-ini pythonpath=tests --ignore tests/test_wheel.py --ignore tests/test_notebook.py tests \
      >"$folder/log" 2>&1 && result="passed" || result="FAILED"
  else
    result="not tried: pip finds no such version for $(python3 --version)"
  fi
  echo "torch $version: $result; $(tail -n 1 "$folder/log")"
  [ "$result" != FAILED ] || grep -E "^(FAILED|ERROR)" "$folder/log" | head -40
  rm -rf "$folder"
done
