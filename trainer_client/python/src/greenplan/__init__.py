"""greenplan: which tensors to train under a budget of FLOPs.

``import greenplan`` imports no torch; what needs it does so when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greenplan._session_planner import remote
from greenplan.cost import Cost
from greenplan.curve import Curve, curve
from greenplan.draw import draw_blocks
from greenplan.errors import Error
from greenplan.explain import Explanation, explain
from greenplan.plan import Plan, plan
from greenplan.profile import Profile, profile

if TYPE_CHECKING:
    from greenplan._attach import attach
    from greenplan._autograd.node_cost import NodeCost
    from greenplan._autograd.node_shapes import NodeShapes
    from greenplan._autograd.rules import register_cost
    from greenplan.callback import GreenplanCallback
    from greenplan.session import Session

__version__ = "0.1.0"

__all__ = [
    "Cost",
    "Curve",
    "Error",
    "Explanation",
    "GreenplanCallback",
    "NodeCost",
    "NodeShapes",
    "Plan",
    "Profile",
    "Session",
    "attach",
    "curve",
    "draw_blocks",
    "explain",
    "plan",
    "profile",
    "register_cost",
    "remote",
]

_NEEDS_TORCH = {
    "NodeCost": "greenplan._autograd.node_cost",
    "NodeShapes": "greenplan._autograd.node_shapes",
    "register_cost": "greenplan._autograd.rules",
    "Session": "greenplan.session",
    "attach": "greenplan._attach",
    "GreenplanCallback": "greenplan.callback",
}


def __getattr__(name: str) -> Any:
    if name not in _NEEDS_TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_NEEDS_TORCH[name]), name)
