#!/usr/bin/env bash
# Runs the tests that need torch alone against other versions of it, each in a fresh environment with the wheel.
# Usage: check_torch.sh WHEEL VERSION...   Not part of ./dev test: each version is a download of some 200 MB.
set -euo pipefail
readonly wheel=$(realpath "$1")
shift
cd "$(dirname "$0")/.."
for version in "$@"; do
  folder=$(mktemp -d)
  python3 -m venv "$folder"
  if "$folder/bin/pip" install --quiet --disable-pip-version-check "torch==$version" numpy pytest "$wheel" >"$folder/log" 2>&1; then
    # From another folder than src, so that the wheel's package is the one that is tested.
    (cd "$folder" && env -u PYTHONPATH OMP_NUM_THREADS=1 "$folder/bin/python" -m pytest -q -p no:cacheprovider \
      -c "$OLDPWD/pyproject.toml" --override-ini pythonpath="$OLDPWD/tests" --rootdir "$OLDPWD" \
      "$OLDPWD"/tests/test_{plan,library,config_profile,profile,operators,residual_blocks,saved_bytes,contraction}.py \
      >"$folder/log" 2>&1) && result="passed" || result="FAILED"
  else
    result="not tried: pip finds no such version for $(python3 --version)"
  fi
  echo "torch $version: $result; $(tail -n 1 "$folder/log")"
  [ "$result" != FAILED ] || grep -E "^(FAILED|ERROR|E  )" "$folder/log" | head -20
  rm -rf "$folder"
done
