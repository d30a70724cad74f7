#!/usr/bin/env bash
# The small demo, run by `./dev demo small`: pre-trains a small LLaMA on WordNet's glosses, then fine-tunes it on the
# King James Bible three times (full, half and 30% of the backward FLOPs) with plans from the daemon, and compares.
# usage: small_model.sh [FOLDER]     FOLDER (default demo_output) is made anew; the reports and demo.svg stay there.
set -euo pipefail
source trainer_client/demo/common.sh
make_output "${1:-demo_output}"

step "Texts: WordNet's glosses and the King James Bible, and a SentencePiece tokenizer trained on both"
python3 $here/texts.py "$out"
cat "$out/base_train.txt" "$out/train.txt" >"$out/both.txt"
bazel-bin/trainer_client/data/train_tokenizer --input "$out/both.txt" --output "$out/tokenizer.model" --vocab-size 4000

step "Pre-training a LLaMA of 6 layers on the glosses"
$finetune --config $here/config.json --tokenizer "$out/tokenizer.model" --train "$out/base_train.txt" \
  --valid "$out/base_valid.txt" --epochs 1 --batch-size 8 --seq-len 128 --lr 2e-3 --seed 1 --output "$out/base"

start_daemon

for run in full half third; do
  case $run in
    full) share=() name="everything trains" ;;
    half) share=(--budget 0.5 --budget-of backward) name="50% of the backward FLOPs" ;;
    third) share=(--budget 0.3 --budget-of backward) name="30% of the backward FLOPs" ;;
  esac
  step "Fine-tuning on the Bible: $name"
  $finetune --base "$out/base" --train "$out/train.txt" --valid "$out/valid.txt" --epochs 3 --batch-size 8 \
    --seq-len 128 --lr 1e-3 --seed 1 "${share[@]}" --planner "$planner" --output "$out/$run" \
    --report "$out/$run.json"
done

step "Side by side"
python3 $here/compare.py "$out" full half third
