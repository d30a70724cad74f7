"""Measures what ``greenplan.profile`` takes beyond the forward pass, for models of about 1,000 tensors.

Use: OMP_NUM_THREADS=1 PYTHONPATH=src:tests python benchmarks/profile_speed.py
"""

from __future__ import annotations

import statistics
import time

import torch

import greenplan
import hf_models

MODELS = {
    "opt": {"num_hidden_layers": 62},
    "bert": {"num_hidden_layers": 62},
    "llama": {"num_hidden_layers": 111},
    "gpt2": {"n_layer": 83},
}
REPETITIONS = 15


def main() -> None:
    """Prints one line per model; processor time, which other programs on the machine disturb least."""
    torch.set_num_threads(1)
    print(f"{'model':8} {'tensors':>8} {'ops':>6} {'median ms':>10} {'least ms':>9} {'forward ms':>11}")
    for family, sizes in MODELS.items():
        model = hf_models.build(family, "sdpa", **sizes)
        forward, profiling = [], []
        for _ in range(REPETITIONS):
            start = time.thread_time()
            loss = model.loss()
            middle = time.thread_time()
            profile = greenplan.profile(loss, model.model.named_parameters())
            profiling.append(1000 * (time.thread_time() - middle))
            forward.append(1000 * (middle - start))
        print(
            f"{family:8} {len(profile.tensors):8} {len(profile.ops):6} {statistics.median(profiling):10.1f} "
            f"{min(profiling):9.1f} {statistics.median(forward):11.1f}"
        )


if __name__ == "__main__":
    main()
