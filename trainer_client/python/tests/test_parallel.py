"""Two processes over gloo, started by torchrun."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook import PowerSGDState

import greenplan
import hf_models
from binaries import greenplan_binary
from greenplan._parallel import _forget_buckets
from test_remote import daemon

HERE = Path(__file__).parent


def run(case: str, folder: Path, **variables: str) -> list[dict]:
    """Runs a case of ranks.py and returns what each rank saw."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    package = Path(greenplan.__file__).parents[1]  # Of the clone, or of the wheel where that is tested.
    paths = [str(HERE), str(package), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1", **variables}
    command += [str(HERE / "ranks.py"), case, str(folder)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900)
    assert result.returncode == 0, result.stderr[-4000:]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


def check_ranks_agree(ranks):
    first, second = ranks
    assert first["plans"] == second["plans"]
    assert first["digest"] == second["digest"]
    assert first["gradients"] == second["gradients"]
    for key in ("full_backward_flops", "predicted_backward_flops"):
        assert [entry[key] for entry in first["history"]] == [entry[key] for entry in second["history"]]
    assert not first["moved_frozen"] and not second["moved_frozen"]
    assert not first["mismatches"] and not second["mismatches"]


def all_bytes():
    return sum(parameter.numel() * 4 for parameter in hf_models.build("llama").model.parameters())


@pytest.mark.parametrize("case", ["ddp_selection", "ddp_shapes_and_accumulation", "ddp_unused_and_bucket_views"])
def test_ddp_reduces_what_is_trained_and_no_more(case, tmp_path):
    ranks = run(case, tmp_path)
    check_ranks_agree(ranks)
    first = ranks[0]
    assert len(first["plans"]) == 3
    for step, gradients in enumerate(first["gradients"]):
        assert gradients == sorted(first["trainable"][step // 3])
    assert 0 < max(first["reduced_bytes"]) < first["all_bytes"]
    # Three steps measure and reduce all; four reduce what is planned.
    planned = sum(first["reduced_bytes"][step] for step in (1, 2, 4, 5))
    assert sum(first["hook_bytes"]) == 3 * first["all_bytes"] + planned
    assert first["bytes_after_detach"] == first["all_bytes"]
    # The reducer was made anew for three steps that measure, two plans that were stepped under, and the end.
    assert first["forgets"] == 6


def test_a_power_sgd_hook_forgets_the_buckets_of_the_last_reducer():
    state = PowerSGDState(None, start_powerSGD_iter=2)
    memories = [state.error_dict, state.p_memory_dict, state.q_memory_dict]
    for memory in memories:
        memory[0] = torch.ones(3)
    state.iter = 5
    _forget_buckets(state)
    assert not any(memories)
    assert state.start_powerSGD_iter == 6, "the new reducer makes its buckets anew after its first step"
    _forget_buckets(None)


def test_a_rank_whose_model_is_in_a_group_of_its_own_waits_for_no_other(tmp_path):
    _, second = run("ddp_own_group", tmp_path)
    assert len(second["plans"]) == 1
    assert not second["mismatches"]


@pytest.mark.parametrize("case", ["ddp_joint", "ddp_drop"])
def test_ddp_drops_the_same_blocks_on_every_rank(case, tmp_path):
    ranks = run(case, tmp_path)
    check_ranks_agree(ranks)
    assert case == "ddp_joint" or len({tuple(gradients) for gradients in ranks[0]["gradients"]}) > 2


def test_ranks_stay_equal_where_a_step_or_its_last_micro_batch_has_nothing_left_to_train(tmp_path):
    first, second = run("ddp_steps_with_nothing_left", tmp_path)
    for draw_per in ("step", "micro-batch"):
        check_ranks_agree([first[draw_per], second[draw_per]])
        assert first[draw_per]["empty"] > 0


def test_ranks_stay_equal_after_a_probe_that_failed(tmp_path):
    check_ranks_agree(run("ddp_probe_that_fails", tmp_path))


def test_ddp_averages_what_each_rank_has_probed(tmp_path):
    ranks = run("ddp_separate", tmp_path)
    check_ranks_agree(ranks)
    own = [rank["own_value"] for rank in ranks]
    assert own[0] != pytest.approx(own[1])
    assert ranks[0]["value"] == pytest.approx(sum(own) / 2)


def test_ranks_of_a_job_at_a_planner_service_get_one_plan(tmp_path):
    pytest.importorskip("grpc")
    with daemon(tmp_path) as address:
        ranks = run("ddp_planner_service", tmp_path, PLANNER=address)
        plans = stored_plans(address, "ddp", len(ranks[0]["service"]["plans"]))
    check_ranks_agree([rank["service"] for rank in ranks])
    assert plans == ranks[0]["service"]["plans"]
    # The service averages what the ranks measured as the ranks do among themselves.
    assert [rank["service"]["trainable"] for rank in ranks] == [rank["local"]["trainable"] for rank in ranks]


def test_ranks_pass_over_the_rounds_of_others_and_go_on_while_their_planner_is_away(tmp_path):
    pytest.importorskip("grpc")
    with daemon(tmp_path) as address:
        ranks = run("ddp_planner_away", tmp_path, PLANNER=address)
        plans = stored_plans(address, "ddp", 5)
    for phase in ("0.01", "0.02", "away", "back"):
        check_ranks_agree([rank[phase] for rank in ranks])
    first, second, away, back = (ranks[0][phase]["plans"] for phase in ("0.01", "0.02", "away", "back"))
    assert away == [*second, second[-1]]
    assert plans == [*first, *second, back[-1]]


def stored_plans(address: str, job: str, rounds: int) -> list[str]:
    command = [greenplan_binary(), "plans", "get", job]
    flags = ["--server", address, "--format", "json"]
    plans = [subprocess.run([*command, str(k), *flags], check=True, capture_output=True) for k in range(rounds)]
    return [json.loads(plan.stdout)["digest"] for plan in plans]


def test_ranks_that_resume_from_different_plans_are_told(tmp_path):
    for rank in run("ddp_state_of_another_plan", tmp_path):
        assert "start all ranks from the same checkpoint" in rank["error"]
        assert rank["code"] == "FAILED_PRECONDITION"


@pytest.mark.parametrize("case", ["fsdp2_selection", "fsdp2_joint"])
def test_fsdp2_trains_what_is_planned(case, tmp_path):
    ranks = run(case, tmp_path)
    check_ranks_agree(ranks)
    first = ranks[0]
    assert len(first["plans"]) == 3
    if case == "fsdp2_selection":
        for step, gradients in enumerate(first["gradients"]):
            assert gradients == sorted(first["trainable"][step // 3])
        for entry in first["history"]:
            assert entry["predicted_backward_flops"] <= 0.5 * entry["full_backward_flops"]
    assert any(entry["executed_backward_flops"] for entry in first["history"])


@pytest.mark.parametrize("case", ["fsdp2_mixed_precision", "fsdp2_resume"])
def test_fsdp2_reduces_in_full_precision_whatever_was_frozen_at_first(case, tmp_path):
    for rank in run(case, tmp_path):
        assert rank["reduce_dtypes"] == ["torch.float32"]
        assert not rank["moved_frozen"]


def test_fsdp2_reduces_in_full_precision_where_each_layer_is_a_root(tmp_path):
    for rank in run("fsdp2_resume_of_layers", tmp_path):
        assert rank["reduce_dtypes"] == ["torch.float32"]
        assert not rank["mismatches"]


def test_the_trainer_under_torchrun_has_one_plan_on_all_ranks(tmp_path):
    first, second = run("trainer_ddp", tmp_path)
    assert first["wrapped"] == "DistributedDataParallel"
    assert first["plans"] == second["plans"]
    assert first["digest"] == second["digest"]
    assert not first["mismatches"]
    assert all(0 < reduced < all_bytes() for reduced in first["reduced_bytes"])
    assert not any(first["moved_outside"])


def test_the_trainers_own_fsdp2_trains_what_is_planned_and_resumes(tmp_path):
    first, second = run("trainer_fsdp2", tmp_path)
    whole, resumed = first["runs"]
    assert whole["type"] == "DTensor"
    assert len(whole["plans"]) == 2
    assert [entry["executed_backward_flops"] for entry in whole["history"]] == [
        entry["predicted_backward_flops"] for entry in whole["history"]
    ]
    assert not whole["mismatches"] and not resumed["mismatches"]
    assert (resumed["losses"], resumed["plans"], resumed["digest"]) == (
        whole["losses"],
        whole["plans"],
        whole["digest"],
    )
    assert [one["plans"] for one in second["runs"]] == [one["plans"] for one in first["runs"]]


def test_a_loop_of_accelerate_with_fsdp2_trains_what_is_planned(tmp_path):
    first, second = run("accelerate_fsdp2", tmp_path)
    assert first["type"] == "DTensor"
    assert first["steps"] == 4
    assert first["plans"] == second["plans"]
    assert first["digest"] == second["digest"]
    assert not first["mismatches"]
    assert all(executed is not None for executed in first["executed"])
    # The last micro-batch of each step, after which the gradients of what is frozen or dropped are gone.
    for step, gradients in enumerate(first["gradients"][1::2]):
        assert set(gradients) <= set(first["trainable"][step // 2])


def refused(model, match):
    optimizer = torch.optim.AdamW(model.parameters())
    with pytest.raises(greenplan.Error, match=match) as raised:
        greenplan.attach(model, optimizer, budget=0.5)
    assert raised.value.code == "UNIMPLEMENTED"


def test_what_cannot_follow_a_plan_is_refused_with_the_reason():
    model = hf_models.build("llama").model
    refused(torch.nn.DataParallel(model), "a DataParallel, whose replicas know no plan; use DistributedDataParallel")
    refused(torch.compile(model), "compiled by torch.compile, whose graphs keep the flags of their first trace")
    next(model.parameters()).ds_id = 0
    refused(model, "partitioned by DeepSpeed ZeRO-3")
    del next(model.parameters()).ds_id
    engine = type("DeepSpeedEngine", (torch.nn.Module,), {})()
    engine.module = model
    refused(engine, "a DeepSpeed engine, whose partitions are made for the flags at its start")
    layers = model.model.layers
    layers[1].compile(backend="eager")
    refused(model, "compiled by torch.compile")
    layers[1]._compiled_call_impl = None
    model.compile(backend="eager")
    refused(model, "compiled by torch.compile")


@contextlib.contextmanager
def group_of_one(folder):
    store = torch.distributed.FileStore(str(folder / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        yield
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def test_a_plan_that_trains_nothing_under_ddp(tmp_path):
    with group_of_one(tmp_path):
        model = torch.nn.parallel.DistributedDataParallel(hf_models.build("llama").model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        session = greenplan.attach(model, optimizer, budget=1e-6)
        before = [parameter.detach().clone() for parameter in model.parameters()]
        for _ in range(3):
            with session.step():
                model(**hf_models.build("llama").batch).loss.backward()
            optimizer.step()
        assert session.plan.status == "EMPTY"
        assert all(torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))
        torch.distributed.destroy_process_group()
        session.detach()  # As at the end of a program.
        assert all(parameter.requires_grad for parameter in model.parameters())


def test_fsdp2_gathers_nothing_for_long_where_all_that_trains_was_dropped(tmp_path):
    from torch.distributed.fsdp import fully_shard

    with group_of_one(tmp_path):
        model = hf_models.build("llama")
        for name, parameter in model.parameters.items():
            parameter.requires_grad_(".mlp." in name)
        for layer in model.model.model.layers:
            fully_shard(layer)
        fully_shard(model.model)
        optimizer = torch.optim.AdamW([one for one in model.model.parameters() if one.requires_grad], lr=0.01)
        session = greenplan.attach(model.model, optimizer, method="drop", budget=0.5, budget_of="backward")
        ran_nothing = []
        for _ in range(12):
            with session.step():
                loss = model.loss()
                ran_nothing.append(not loss.requires_grad)
                loss.backward()
            assert all(hasattr(one, "to_local") for one in model.model.parameters())
            optimizer.step()
            optimizer.zero_grad()
        assert any(ran_nothing) and not all(ran_nothing)
        session.detach()


def reentrant(wrap, **options):
    model = hf_models.build("llama", "sdpa").model
    hf_models.checkpoint_activations(model, use_reentrant=True)
    wrapped = wrap(model)
    optimizer = torch.optim.AdamW(wrapped.parameters(), lr=0.01)
    options = {"budget": 0.95, "budget_of": "backward", "pinned": ["model.embed_tokens.weight"], **options}
    session = greenplan.attach(wrapped, optimizer, **options)
    try:
        for _ in range(3):
            with session.step():
                wrapped(**hf_models.build("llama", "sdpa").batch).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        assert session.history[0]["executed_backward_flops"] == session.history[0]["predicted_backward_flops"]
    finally:
        session.detach()


def test_reentrant_checkpoints_within_a_wrapper_are_planned_or_refused_before_they_fail(tmp_path):
    from torch.distributed.fsdp import fully_shard

    def sharded(model):
        for layer in model.model.layers:
            fully_shard(layer)
        return fully_shard(model)

    with group_of_one(tmp_path):
        reentrant(torch.nn.parallel.DistributedDataParallel)
        for method in ("drop", "joint"):
            with pytest.raises(greenplan.Error, match='method "' + method + '" within DistributedDataParallel'):
                reentrant(torch.nn.parallel.DistributedDataParallel, method=method)
        with pytest.raises(greenplan.Error, match="has to be run again.*use_reentrant=False") as raised:
            reentrant(sharded)
        assert raised.value.code == "UNIMPLEMENTED"


def test_a_part_of_what_ddp_wraps_is_refused(tmp_path):
    with group_of_one(tmp_path):
        model = hf_models.build("llama").model
        wrapped = torch.nn.parallel.DistributedDataParallel(model)
        refused(model.model, "a part of what DistributedDataParallel.* has made a reducer for")
        session = greenplan.attach(model, torch.optim.AdamW(model.parameters()), budget=0.5)
        assert session._execution.wrapper._model is wrapped
        session.detach()


def test_fsdp1_and_separate_probes_under_fsdp2_are_refused(tmp_path):
    from torch.distributed.fsdp import FullyShardedDataParallel

    with group_of_one(tmp_path):
        model = hf_models.build("llama").model
        wrapped = FullyShardedDataParallel(model, use_orig_params=True, device_id=torch.device("cpu"))
        refused(wrapped, "sharded by FSDP1 .* use FSDP2")
        sharded = hf_models.build("llama").model
        torch.distributed.fsdp.fully_shard(sharded)
        session = greenplan.attach(sharded, torch.optim.AdamW(sharded.parameters()), budget=0.5)
        with pytest.raises(greenplan.Error, match="cannot be probed under FSDP2"):
            session.begin_round(lambda: sharded(**hf_models.build("llama").batch).loss)
        session.detach()
        static = torch.nn.parallel.DistributedDataParallel(hf_models.build("llama").model, static_graph=True)
        refused(static, "static_graph=True, which refuses other graphs")
