#!/usr/bin/env bash
# The demo, run by `./dev demo`: pre-trains a small LLaMA on WordNet's glosses, then fine-tunes it on the King James Bible
# three times (full, half and 30% of the backward FLOPs) with plans from the daemon, and compares.
# usage: run.sh [FOLDER]     FOLDER (default demo_output) is made anew; the reports and demo.svg stay there.
set -euo pipefail
out=${1:-demo_output}
here=trainer_client/demo
finetune=bazel-bin/trainer_client/finetune/greenplan-finetune
daemon=

cleanup() { [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || true; }
trap cleanup EXIT
step() { printf '\n== %s\n' "$*"; }

if [ -e "$out" ] && [ ! -f "$out/.greenplan-demo" ]; then
  echo "demo: $out exists and was not made by the demo; name another folder" >&2
  exit 2
fi
rm -rf "$out"
mkdir -p "$out"
touch "$out/.greenplan-demo"

step "Texts: WordNet's glosses and the King James Bible, and a SentencePiece tokenizer trained on both"
python3 $here/texts.py "$out"
cat "$out/base_train.txt" "$out/train.txt" >"$out/both.txt"
bazel-bin/trainer_client/data/train_tokenizer --input "$out/both.txt" --output "$out/tokenizer.model" --vocab-size 4000

step "Pre-training a LLaMA of 6 layers on the glosses"
$finetune --config $here/config.json --tokenizer "$out/tokenizer.model" --train "$out/base_train.txt" \
  --valid "$out/base_valid.txt" --epochs 1 --batch-size 8 --seq-len 128 --lr 2e-3 --seed 1 --output "$out/base"

step "Starting the planner daemon"
bazel-bin/planner/daemon/greenpland --listen 127.0.0.1:0 --port-file "$out/port" --data-dir "$out/planner" 2>"$out/greenpland.log" &
daemon=$!
until [ -s "$out/port" ]; do kill -0 "$daemon" || { cat "$out/greenpland.log" >&2; exit 1; }; sleep 0.1; done

for run in full half third; do
  case $run in
    full) share=() name="everything trains" ;;
    half) share=(--budget 0.5 --budget-of backward) name="50% of the backward FLOPs" ;;
    third) share=(--budget 0.3 --budget-of backward) name="30% of the backward FLOPs" ;;
  esac
  step "Fine-tuning on the Bible: $name"
  $finetune --base "$out/base" --train "$out/train.txt" --valid "$out/valid.txt" --epochs 3 --batch-size 8 \
    --seq-len 128 --lr 1e-3 --seed 1 "${share[@]}" --planner "127.0.0.1:$(cat "$out/port")" --output "$out/$run" \
    --report "$out/$run.json"
done

step "Side by side"
python3 $here/compare.py "$out" full half third
