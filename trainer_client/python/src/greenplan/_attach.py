"""The call that puts a training under plans; it states every option."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from greenplan._options import checked_options
from greenplan.session import Session


def attach(
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    budget: float | int | str | None = None,
    budget_of: str = "full",
    method: str = "",
    plan_every: str | int = "epoch",
    planner: Any = "local",
    pinned: Sequence[str] = (),
    never: Sequence[str] = (),
    optimizer_state: str = "keep",
    seed: int = 0,
    probe: str = "in-step",
    metric: str = "",
    sensitivity: str = "gradient_difference",
    draw_per: str = "step",
    job: str = "",
    warmup_rounds: int = 0,
    uniform_until: float | None = None,
    total_steps: int | None = None,
    scaler: Any | None = None,
    **planner_options: Any,
) -> Session:
    """Puts the training of a model under plans.

    ::

        session = greenplan.attach(model, optimizer, budget=0.5, budget_of="backward")
        for epoch in range(epochs):
            session.begin_round()
            for batch in batches:
                with session.step():
                    model(**batch).loss.backward()
                optimizer.step()
                optimizer.zero_grad()

    Attach once the optimizer exists, with everything that may ever be trained requiring grad and in the optimizer.
    Nothing is frozen before the first plan.

    Args:
        model: Any module; also one within DistributedDataParallel, or sharded by FSDP2.
        optimizer: Of torch.optim: AdamW, Adam, SGD, RMSprop or Adagrad, plain, foreach or fused; or an Adam or AdamW of
            bitsandbytes. Under methods "full" and "drop" any other too.
        budget: What a step may cost: a share in (0, 1] of what ``budget_of`` says, or "auto", the selection of most
            value per cost.
        budget_of: "full" (forward and backward of full fine-tuning), "backward", or "absolute" (FLOPs of forward and
            backward).
        method: "selection" of tensors, "drop" of blocks in backward, "joint" for both, or "full". By default selection
            if there is a budget.
        plan_every: "epoch": a round begins where ``begin_round`` is called, and at the first step. A number: a round
            also begins after that many optimizer steps; not with ``probe="separate"``.
        planner: "local", or "HOST:PORT" of a planner service, or what ``greenplan.remote`` returns.
        pinned: Names of tensors that every plan trains.
        never: Names of tensors that no plan trains. They count in what ``budget`` is a share of.
        optimizer_state: What becomes of the optimizer's state of frozen tensors: "keep" it, "offload" it to the host,
            or "drop" it.
        seed: Of the draws of dropped blocks, from 0 to 2^64 - 1.
        probe: "in-step": importance comes from the gradients of a round's first step. "separate": from a forward and
            backward pass of its own on what ``begin_round`` is given.
        metric: "gradient_times_update", or "cross_fitted", which needs two batches. By default cross_fitted where
            ``begin_round`` is given two batches or more.
        sensitivity: Of blocks, which allocates drop rates to them: "gradient_difference" or "norm_difference". Measured
            once per round, in about half a backward pass per block; ``allocation="uniform"`` measures none.
        draw_per: Whether dropped blocks are drawn anew for each optimizer "step" or for each "micro-batch".
        job: The name of the job at a planner service; by default a new one.
        warmup_rounds: How many rounds train everything before the first plan.
        uniform_until: The share of ``total_steps``, in [0, 1], in which all blocks have one drop rate, before a round
            begins that allocates rates by sensitivity; by default 0.1.
        total_steps: Optimizer steps of the whole training. If None, rates are allocated from the first round on.
        scaler: The torch.amp.GradScaler of the loop, if there is one.
        **planner_options: algorithm, resolution, allocation, drop_objective, min_drop_rate, max_drop_rate,
            drop_rate_bounds, mu, mean_drop_rate, max_saved_bytes, churn_threshold, time_limit, as ``greenplan.plan``
            takes them.

    Returns:
        The session. ``session.detach()`` lets the model be as it was.

    Raises:
        ArgumentError: An option is unknown or out of range, the model has no parameter that requires grad, or the
            optimizer lacks one that does.
        Error: UNIMPLEMENTED for an optimizer, a wrapper or a compiled model that cannot be served; says why.
    """
    options = checked_options(
        dict(
            planner_options,
            budget=budget,
            budget_of=budget_of,
            method=method,
            plan_every=plan_every,
            planner=planner,
            pinned=pinned,
            never=never,
            optimizer_state=optimizer_state,
            seed=seed,
            probe=probe,
            metric=metric,
            sensitivity=sensitivity,
            draw_per=draw_per,
            job=job,
            warmup_rounds=warmup_rounds,
            uniform_until=uniform_until,
            total_steps=total_steps,
        )
    )
    return Session(model, optimizer, options, scaler)
