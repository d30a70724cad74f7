#!/usr/bin/env bash
# usage: tests/install/run.sh PREFIX
# Checks what `./dev install --prefix PREFIX` has installed: the programs start without environment variables, and a
# user's own training loop in C++ and a user's own program in C can be built with pkg-config and run.
set -euo pipefail
prefix=$(realpath "${1:?the installation}")
here=$(dirname "$(readlink -f "$0")")
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
for program in greenplan greenpland greenplan-finetune; do env -i "$prefix/bin/$program" version; done
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
g++ "$here/consumer.cc" -o "$out/consumer" $(pkg-config --cflags --libs greenplan_client)
env -i "$out/consumer"
gcc -std=c11 "$here/consumer.c" -o "$out/c_consumer" $(pkg-config --cflags --libs greenplan)
env -i LD_LIBRARY_PATH="$prefix/lib" "$out/c_consumer"
