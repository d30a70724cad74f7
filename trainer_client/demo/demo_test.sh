#!/usr/bin/env bash
# Tests the demo's scripts, without a network and without training.
set -euo pipefail
fail() { echo "demo_test: $*" >&2; exit 1; }

work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/demo_test.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/trainer_client"
cp -rL trainer_client/demo "$work/trainer_client"
cd "$work"
mkdir reports

# report NAME PREDICTED EXECUTED EXPECTED: a run of two steps with a budget of half of 100 backward FLOPs.
report() {
  cat >"reports/$1.json" <<JSON
{"options": {"budget": {"fraction_of_backward": 0.5}}, "steps": [{}, {}],
 "totals": {"executed_flops": 7e12, "probe_seconds": 1, "plan_seconds": 0},
 "epochs": [{"epoch": 0, "validation_loss": 5.25},
            {"epoch": 1, "validation_loss": 3.5, "peak_memory_bytes": 2000000, "step_seconds": 0.5,
             "full_backward_flops": 100, "predicted_backward_flops": $2, "executed_backward_flops": $3,
             "expected_backward_flops": $4}]}
JSON
}
compare() { python3 trainer_client/demo/compare.py reports "$@" >compare.out 2>&1; }

report kept 49 49 50
report drawn 60 60 50
compare kept drawn || fail "reports that keep their budget are refused: $(cat compare.out)"
grep -q '^drawn .* 60.00% .* 7.00 .* 0.500 .* 2 .* 2.0 .* 5.250 -> 3.500$' compare.out || fail "the row is $(cat compare.out)"
grep -q '<svg .*drawn' reports/demo.svg || fail "demo.svg lacks a run"

report other 49 48 50
report over 51 51 51
for wrong in other over; do
  if compare kept "$wrong"; then fail "$wrong was not noticed"; fi
  grep -q "'$wrong': \[1\]" compare.out || fail "$wrong is not named: $(cat compare.out)"
done

# A folder that the demo did not make stays as it is.
mkdir mine && touch mine/thesis
if (source trainer_client/demo/common.sh && make_output mine) 2>refused; then fail "another folder was taken"; fi
grep -q "mine exists and was not made by the demo" refused && [ -e mine/thesis ] || fail "said $(cat refused)"

# Without PyPI the small model's demo runs in the same folder, and nothing half-installed remains.
mkdir bin
printf '#!/bin/sh\necho "ERROR: no route to PyPI"\nexit 1\n' >bin/python3
printf '#!/bin/sh\necho "small model in $1"\n' >trainer_client/demo/small_model.sh
chmod +x bin/python3 trainer_client/demo/small_model.sh
PATH="$work/bin:$PATH" XDG_CACHE_HOME="$work/cache" trainer_client/demo/pretrained.sh folder >out 2>err ||
  fail "ended with an error: $(cat err)"
grep -q "^small model in folder$" out || fail "the small demo did not run: $(cat out err)"
grep -q "cannot be reached; running the demo of the small model" err || fail "did not say so: $(cat err)"
[ -z "$(ls cache/greenplan)" ] || fail "left $(ls cache/greenplan)"
