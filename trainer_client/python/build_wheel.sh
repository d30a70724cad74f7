#!/usr/bin/env bash
# Builds the wheel of greenplan from its sources and what Bazel built. Usage: build_wheel.sh PYTHON OUTPUT_FOLDER
set -euo pipefail
readonly python=$1 output=$2
cd "$(dirname "$0")/../.."

# What glibc the library needs at most; planner/capi/symbols_test.sh checks it, and so does auditwheel below.
readonly platform="manylinux_2_34_$(uname -m)"

staging=$(mktemp -d)
trap 'rm -rf "$staging"' EXIT
cp -r trainer_client/python/{src,pyproject.toml,setup.py,README.md} "$staging/"
find "$staging" -name __pycache__ -prune -exec rm -rf {} +
strip -o "$staging/src/greenplan/libgreenplan.so" bazel-bin/planner/capi/libgreenplan.so
install -m 644 bazel-bin/proto/greenplan/v1/planner_service.binpb "$staging/src/greenplan/"
# The library holds these, too.
mkdir "$staging/licenses"
cp LICENSE "$staging/licenses/greenplan.txt"
cp third_party/static_tls/absl/LICENSE "$staging/licenses/abseil.txt"
cp third_party/static_tls/protobuf/LICENSE "$staging/licenses/protobuf.txt"
for package in libssl-dev zlib1g-dev nlohmann-json3-dev libstdc++-12-dev; do
  [ ! -f "/usr/share/doc/$package/copyright" ] || cp "/usr/share/doc/$package/copyright" "$staging/licenses/$package.txt"
done

mkdir -p "$output"
rm -f "$output"/greenplan-*.whl
"$python" -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir "$output" \
  --config-settings="--build-option=--plat-name=$platform" "$staging"
wheel=$(ls "$output"/greenplan-*.whl)
# Not `auditwheel repair`: there is nothing to copy into the wheel.
"$python" -m auditwheel show "$wheel" | tr '\n' ' ' | grep -qF "following platform tag: \"$platform\"" ||
  { "$python" -m auditwheel show "$wheel" >&2; echo "auditwheel does not find $wheel to be $platform" >&2; exit 1; }
echo "$wheel"
