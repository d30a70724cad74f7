"""Compares full training steps of greenplan's models with those of transformers: same config, batch, threads, attention.

usage: compare_with_transformers.py BINARY CONFIG_JSON     BINARY is bazel-bin/benchmarks/training/training

The two take turns, step by step, in processes of their own. Prints rows of the table that BINARY prints.
"""

import json
import os
import statistics
import subprocess
import sys
import time

# Threads that wait for the other process must not spin. OpenMP reads this when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")

import torch
import transformers

BATCH_SIZE, SEQ_LEN = 4, 64  # As training_benchmark.cc has them.
REPETITIONS = 9


class OurSteps:
    def __init__(self, binary: str, config_file: str):
        self.process = subprocess.Popen(
            [binary, config_file, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, command: str) -> float:
        print(command, file=self.process.stdin, flush=True)
        return float(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class TheirSteps:
    def __init__(self, config_file: str):
        with open(config_file) as file:
            config = json.load(file)
        config = transformers.AutoConfig.for_model(config.pop("model_type"), **config)
        self.model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
        self.model.train()
        self.ids = torch.randint(3, config.vocab_size, (BATCH_SIZE, SEQ_LEN))
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=5e-5, weight_decay=0.0, fused=True)

    def loss(self) -> torch.Tensor:
        return self.model(input_ids=self.ids, labels=self.ids, use_cache=False).loss

    def step(self) -> float:
        begin = time.perf_counter()
        self.loss().backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return time.perf_counter() - begin

    def saved_bytes(self) -> int:
        """Returns the bytes that the forward pass leaves allocated for backward."""
        activities = [torch.profiler.ProfilerActivity.CPU]
        with torch.profiler.profile(activities=activities, profile_memory=True) as profile:
            loss = self.loss()
        del loss
        return sum(event.self_cpu_memory_usage for event in profile.events())


def main() -> None:
    binary, config_file = sys.argv[1:]
    ours, theirs = OurSteps(binary, config_file), TheirSteps(config_file)
    for _ in range(2):
        ours.ask("step")
        theirs.step()
    seconds = [(ours.ask("step"), theirs.step()) for _ in range(REPETITIONS)]
    ratio = statistics.median(our / their for our, their in seconds)
    our_bytes, their_bytes = ours.ask("memory"), theirs.saved_bytes()
    ours.close()
    print(
        f"| full step / that of transformers {transformers.__version__}, torch {torch.__version__} | {ratio:.2f} | 1.00 | | "
        f"{our_bytes / their_bytes:.2f} | 1.00 | {1e3 * statistics.median(s[0] for s in seconds):.0f} and "
        f"{1e3 * statistics.median(s[1] for s in seconds):.0f} | {our_bytes / 1e6:.0f} and {their_bytes / 1e6:.0f} |"
    )


if __name__ == "__main__":
    main()
