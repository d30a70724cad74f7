"""The draw of the blocks that a step skips in backward."""

from __future__ import annotations

from greenplan import _library
from greenplan._planner import draw_for
from greenplan.plan import Plan, request_about
from greenplan.profile import Profile


def draw_blocks(profile: Profile, plan: Plan, step: int) -> list[str]:
    """Draws which blocks a step drops, each with its drop rate and all with nearly the same cost in every step.

    Args:
        profile: What the plan was made for.
        plan: Its drop rates and its seed count.
        step: The optimizer step's number, >= 0. The same number gives the same draw on every rank.

    Returns:
        Names of blocks in the profile's order; empty if the plan drops nothing.

    Raises:
        ArgumentError: ``step`` is negative, or the plan is not of this profile.
    """
    return draw_for(_library.call, request_about(profile), plan, step)
