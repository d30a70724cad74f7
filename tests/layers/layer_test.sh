#!/bin/bash
# usage: layer_test.sh FILE REGEX: fails if a line of FILE, labels of a target's dependencies, starts with REGEX.
test -s "$1" || { echo "no dependencies in $1"; exit 1; }
if grep -P "^($2)" "$1"; then
  echo "the layer must not depend on what is listed above"
  exit 1
fi
