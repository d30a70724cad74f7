#!/usr/bin/env bash
# Usage: current_test.sh GENERATED KEPT. Fails if the kept page is not the generated one.
diff "$2" "$1" && exit
echo "docs/api.md is not what the comments in proto/greenplan/v1 say; run ./dev reference" >&2
exit 1
