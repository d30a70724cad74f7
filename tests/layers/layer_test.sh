#!/bin/bash
# usage: layer_test.sh FILE REGEX
# FILE lists the labels of a target's dependencies. Fails if the beginning of a line matches REGEX.
test -s "$1" || { echo "no dependencies in $1"; exit 1; }
if grep -P "^($2)" "$1"; then
  echo "the layer must not depend on what is listed above"
  exit 1
fi
