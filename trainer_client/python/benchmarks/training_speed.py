"""Measures whole steps of transformers.Trainer with and without plans, on random weights and tokens, in one run.

Use: PYTHONPATH=src python benchmarks/training_speed.py --shape smollm2-135m
     PYTHONPATH=src python benchmarks/training_speed.py --device cuda --shape llama-7b --dtype bfloat16
The rows with LoRA need peft. Prints a table, and with --json FILE writes the same as JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import statistics
import tempfile
import time
from typing import Any

import torch
import transformers

import greenplan

# Batch and sequence length are what fits on one processor core in seconds, or on one GPU of 80 GB with AdamW's state.
SHAPES: dict[str, dict[str, Any]] = {
    "llama-10m": {
        "config": {
            "hidden_size": 256,
            "intermediate_size": 688,
            "num_hidden_layers": 8,
            "num_attention_heads": 8,
            "num_key_value_heads": 8,
            "vocab_size": 8192,
        },
        "batch": 8,
        "length": 64,
    },
    "smollm2-135m": {
        "config": {
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "vocab_size": 49152,
            "tie_word_embeddings": True,
        },
        "batch": 4,
        "length": 40,
    },
    "llama-7b": {
        "config": {
            "hidden_size": 4096,
            "intermediate_size": 11008,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "vocab_size": 32000,
        },
        "batch": 2,
        "length": 512,
    },
}

# By name: whether the model has adapters, the options of the callback (None: no callback), and what to compare with.
ROWS: dict[str, tuple[bool, dict[str, Any] | None, str]] = {
    "full": (False, None, "full"),
    "selection 50% of backward": (False, {"budget": 0.5, "budget_of": "backward"}, "full"),
    "drop, 50% of backward": (False, {"method": "drop", "budget": 0.5, "budget_of": "backward"}, "full"),
    "drop 0.5": (False, {"method": "drop", "mean_drop_rate": 0.5}, "full"),
    "DropBP by hand, 0.5": (False, None, "full"),
    "LoRA": (True, None, "LoRA"),
    "LoRA, drop 0.75": (True, {"method": "drop", "mean_drop_rate": 0.75}, "LoRA"),
}
LEFT_OUT = 3  # First steps: warm-up, the one that measures, the one whose FLOPs are counted.


class StepTimes(transformers.TrainerCallback):
    """Notes the seconds of every optimizer step."""

    def __init__(self, device: str) -> None:
        self.seconds: list[float] = []
        self._device = device
        self._started = 0.0

    def _now(self) -> float:
        if self._device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        self._started = self._now()

    def on_step_end(self, *args: Any, **kwargs: Any) -> None:
        self.seconds.append(self._now() - self._started)


class DropBpByHand(transformers.TrainerCallback):
    """DropBP at rate 0.5 without greenplan: what dropping half of the attention and MLP branches can bring at most.

    In every step half of the branches, drawn anew, run without recording; nothing is measured, planned or counted.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._branches = [m for layer in model.model.layers for m in (layer.self_attn, layer.mlp)]
        self._dropped: set[int] = set()
        self._generator = torch.Generator().manual_seed(0)
        for index, branch in enumerate(self._branches):
            branch.forward = self._may_drop(index, branch.forward)

    def _may_drop(self, index: int, forward: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            with torch.set_grad_enabled(index not in self._dropped):
                return forward(*args, **kwargs)

        return run

    def on_step_begin(self, *args: Any, **kwargs: Any) -> None:
        count = len(self._branches)
        self._dropped = set(torch.randperm(count, generator=self._generator)[: count // 2].tolist())


class Rows(torch.utils.data.Dataset):
    """Random tokens."""

    def __init__(self, count: int, length: int, vocabulary: int) -> None:
        self._ids = torch.randint(3, vocabulary, (count, length), generator=torch.Generator().manual_seed(1))

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"input_ids": self._ids[index], "labels": self._ids[index]}


def built(args: argparse.Namespace, with_adapters: bool) -> torch.nn.Module:
    """Builds the model on the device itself; 7 billion weights take long to make and to move otherwise."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**SHAPES[args.shape]["config"], max_position_embeddings=2048)
    with torch.device(args.device):
        model = transformers.AutoModelForCausalLM.from_config(
            config, attn_implementation="sdpa", dtype=getattr(torch, args.dtype)
        )
    model.config.use_cache = False
    if not with_adapters:
        return model
    import peft

    lora = peft.LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    adapted: torch.nn.Module = peft.get_peft_model(model, lora)
    return adapted


def measured(
    args: argparse.Namespace, with_adapters: bool, options: dict[str, Any] | None, by_hand: bool
) -> dict[str, Any]:
    """Trains for some steps and tells the median step, peak memory and what the plan was."""
    if args.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    model = built(args, with_adapters)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    times = StepTimes(args.device)
    callback = None if options is None else greenplan.GreenplanCallback(**options)
    with tempfile.TemporaryDirectory() as folder:
        settings = transformers.TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=args.batch,
            max_steps=args.steps + LEFT_OUT,
            optim="adamw_torch_fused",
            learning_rate=1e-5,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=args.device == "cpu",
            dataloader_pin_memory=False,
            **({"gradient_checkpointing": True} if args.checkpointing else {}),
        )
        rows = Rows(args.batch * (args.steps + LEFT_OUT), args.length, model.config.vocab_size)
        callbacks = [one for one in (callback, DropBpByHand(model) if by_hand else None, times) if one is not None]
        trainer = transformers.Trainer(model, settings, train_dataset=rows, callbacks=callbacks)
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    result: dict[str, Any] = {
        "parameters": parameters,
        "seconds": statistics.median(times.seconds[LEFT_OUT:]),
        "fastest": min(times.seconds[LEFT_OUT:]),
        "first_seconds": times.seconds[0],
        "peak_bytes": torch.cuda.max_memory_allocated() if args.device == "cuda" else 0,
    }
    if callback is not None and callback.session is not None:
        latest = callback.session.history[-1]
        full = latest["full_backward_flops"]
        result["backward_share"] = latest["predicted_backward_flops"] / full
        result["counted_as_predicted"] = (
            latest["executed_backward_flops"] is not None and not callback.session.mismatches
        )
        result["probe_seconds"], result["plan_seconds"] = latest["probe_seconds"], latest["plan_seconds"]
    return result


def overhead(args: argparse.Namespace, options: dict[str, Any]) -> float:
    """Measures the seconds that a session itself takes in a step under a plan: beginning it and ending it."""
    model = built(args, False)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)
    session = greenplan.attach(model, optimizer, **options)
    ids = Rows(args.batch, args.length, model.config.vocab_size)._ids.to(args.device)
    for _ in range(2):
        with session.step():
            model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    seconds = []
    for _ in range(200):
        start = time.perf_counter()
        session.begin_step()
        session.end_step()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def arguments() -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--shape", choices=SHAPES, default="llama-10m")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--batch", type=int, help="rows of a batch; the default depends on the shape")
    parser.add_argument("--length", type=int, help="tokens of a row; the default depends on the shape")
    parser.add_argument("--steps", type=int, default=10, help="steps that are measured (default: 10)")
    parser.add_argument("--rows", nargs="*", choices=ROWS, default=list(ROWS), help="which rows to run (default: all)")
    parser.add_argument("--checkpointing", action="store_true", help="with activation checkpointing")
    parser.add_argument("--json", help="a file to write the results to")
    args = parser.parse_args()
    args.batch = args.batch or SHAPES[args.shape]["batch"]
    args.length = args.length or SHAPES[args.shape]["length"]
    return args


def main() -> None:
    """Prints one line per row as soon as it is measured."""
    args = arguments()
    logging.getLogger("greenplan").setLevel(logging.WARNING)
    transformers.utils.logging.set_verbosity_error()
    name = torch.cuda.get_device_name() if args.device == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"{args.shape}, {args.dtype}, batch {args.batch} x {args.length}, torch {torch.__version__}, {name}")
    print(f"{'row':28} {'s/step':>9} {'ratio':>6} {'backward':>9} {'peak GiB':>9} {'first s':>8}  FLOPs as predicted")
    results: dict[str, Any] = {}
    for row in args.rows:
        with_adapters, options, baseline = ROWS[row]
        try:
            found = results[row] = measured(args, with_adapters, options, row == "DropBP by hand, 0.5")
        except Exception as error:  # The other rows are still worth their time.
            print(f"{row:28} failed: {type(error).__name__}: {error}", flush=True)
            results[row] = {"error": f"{type(error).__name__}: {error}"}
            continue
        finally:
            gc.collect()
            if args.device == "cuda":
                torch.cuda.empty_cache()
        base = results.get(baseline, {}).get("seconds")
        found["ratio"] = found["seconds"] / base if base else None
        ratio = f"{found['ratio']:6.2f}" if base else f"{'':6}"
        share = f"{found['backward_share']:9.1%}" if "backward_share" in found else f"{'':9}"
        counted = {True: "yes", False: "no", None: ""}[found.get("counted_as_predicted")]
        peak = found["peak_bytes"] / 2**30
        print(
            f"{row:28} {found['seconds']:9.4f} {ratio} {share} {peak:9.2f} {found['first_seconds']:8.2f}  {counted}",
            flush=True,
        )
    if args.shape == "llama-10m":
        for row in ("selection 50% of backward", "drop 0.5"):
            if "seconds" in results.get("full", {}) and row in args.rows:
                seconds = results[row]["overhead_seconds"] = overhead(args, ROWS[row][1] or {})
                share = seconds / results["full"]["seconds"]
                print(f"a session's own time in a step, {row}: {1000 * seconds:.2f} ms, {share:.2%} of a full step")
    if args.json:
        with open(args.json, "w") as file:
            json.dump({"options": vars(args), "device": name, "rows": results}, file, indent=1)


if __name__ == "__main__":
    main()
