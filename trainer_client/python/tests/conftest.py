from __future__ import annotations

import os
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["HF_HUB_OFFLINE"] = "1"

# In a clone these lie where Bazel built them.
_BUILT = Path(__file__).parents[3] / "bazel-bin"
for _variable, _file in (
    ("GREENPLAN_LIBRARY", "planner/capi/libgreenplan.so"),
    ("GREENPLAN_DESCRIPTORS", "proto/greenplan/v1/planner_service.binpb"),
):
    if (_BUILT / _file).exists():
        os.environ.setdefault(_variable, str(_BUILT / _file))
