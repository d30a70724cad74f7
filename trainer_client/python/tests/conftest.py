from __future__ import annotations

import os
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_OFFLINE"] = "1"

# In a clone the library lies where Bazel built it.
_BUILT_LIBRARY = Path(__file__).parents[3] / "bazel-bin/planner/capi/libgreenplan.so"
if _BUILT_LIBRARY.exists():
    os.environ.setdefault("GREENPLAN_LIBRARY", str(_BUILT_LIBRARY))
