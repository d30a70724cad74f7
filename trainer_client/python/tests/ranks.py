"""Runs what the tests of several processes run on each of them: ``torchrun ... ranks.py CASE FOLDER``.

Each rank writes what it saw to FOLDER/RANK.json.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
import transformers

import greenplan
import hf_models
from greenplan._parallel import groups_of
from greenplan._service import Service
from greenplan.probe import probe_cross_fitted
from trainers import Watcher, made, session_of, trainer


def batch_of(rank: int, step: int, length: int = 7) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(100 * step + rank)
    ids = torch.randint(3, hf_models.VOCABULARY, (2, length), generator=generator)
    return {"input_ids": ids, "labels": ids}


def digest_of(model: torch.nn.Module) -> float:
    total = 0.0
    for parameter in model.parameters():
        local = parameter.full_tensor() if hasattr(parameter, "full_tensor") else parameter
        total += float(local.double().abs().sum())
    return total


def loop(model, session, optimizer, steps: int, lengths=(7,), parts: int = 1, evaluates: bool = False) -> dict:
    rank = dist.get_rank()
    moved_frozen, gradients, reduced = [], [], []
    for step in range(steps):
        before = {name: parameter.detach().clone() for name, parameter in session.model.named_parameters()}
        if evaluates:
            with torch.no_grad():
                model.eval()(**batch_of(0, 0))
            model.train()
        with session.step():
            for part in range(parts):
                waits = hasattr(model, "no_sync") and part < parts - 1
                with model.no_sync() if waits else torch.enable_grad():
                    batch = batch_of(rank, 10 * step + part, lengths[rank % len(lengths)])
                    loss = model(**batch).loss / parts
                    loss.backward()
        named = dict(session.model.named_parameters())
        gradients.append(sorted(name for name, parameter in named.items() if parameter.grad is not None))
        optimizer.step()
        optimizer.zero_grad()
        trained = set(session.plan.trainable)
        for name, old in before.items():
            if name not in trained and not torch.equal(_local(old), _local(named[name])):
                moved_frozen.append(name)
        reduced.append(session.history[-1]["reduced_bytes"])
    return {
        "digest": digest_of(session.model),
        "plans": [entry["digest"] for entry in session.history],
        "trainable": [list(entry["trainable"]) for entry in session.history],
        "history": [
            {key: entry[key] for key in ("predicted_backward_flops", "executed_backward_flops", "full_backward_flops")}
            for entry in session.history
        ],
        "moved_frozen": moved_frozen,
        "gradients": gradients,
        "reduced_bytes": reduced,
        "mismatches": list(session.mismatches),
    }


def _local(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


class CountedReduction:
    """Counts the bytes that DDP reduces, as a communication hook, and how often it has to forget the buckets.

    torch's PowerSGD keeps a tensor of each bucket's size under the same name, and fails if the bucket has another one.
    """

    def __init__(self) -> None:
        self.bytes: list[int] = []
        self.error_dict = {0: "what is remembered"}
        self.forgets = 0

    def hook(self, state, bucket):
        self.forgets += not self.error_dict
        self.error_dict[0] = "what is remembered"
        self.bytes.append(bucket.buffer().numel() * bucket.buffer().element_size())
        return dist.algorithms.ddp_comm_hooks.default_hooks.allreduce_hook(None, bucket)


def ddp(method: str, parts: int = 1, lengths=(7,), has_unused=False, is_within=False, **of_wrapper) -> dict:
    import torch.distributed.algorithms.ddp_comm_hooks.default_hooks  # noqa: F401

    network = hf_models.build("llama", "sdpa").model
    if has_unused:
        network.unused = torch.nn.Linear(3, 3)
    model = torch.nn.parallel.DistributedDataParallel(network, **of_wrapper)
    counted = CountedReduction()
    model.register_comm_hook(counted, counted.hook)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    options = {"budget": 0.5, "budget_of": "backward", "method": method, "plan_every": 3, "seed": 1}
    session = greenplan.attach(network if is_within else model, optimizer, optimizer_state="drop", **options)
    found = loop(model, session, optimizer, 7, lengths, parts)
    per_call, counted.bytes = list(counted.bytes), []
    session.detach()
    model(**batch_of(dist.get_rank(), 99)).loss.backward()
    all_bytes = sum(parameter.numel() * 4 for parameter in network.parameters())
    return {
        **found,
        "hook_bytes": per_call,
        "forgets": counted.forgets,
        "bytes_after_detach": sum(counted.bytes),
        "all_bytes": all_bytes,
    }


def ddp_selection() -> dict:
    return ddp("selection")


def ddp_shapes_and_accumulation() -> dict:
    """Ranks whose batches differ in length, and two micro-batches a step."""
    return ddp("selection", parts=2, lengths=(7, 5))


def ddp_unused_and_bucket_views() -> dict:
    """A model that is attached without its wrapper, as a Trainer hands it over."""
    options = {"find_unused_parameters": True, "gradient_as_bucket_view": True}
    return ddp("selection", has_unused=True, is_within=True, **options)


def ddp_own_group() -> dict:
    """Each rank trains a model of its own."""
    groups = [dist.new_group([rank]) for rank in range(2)]
    network = hf_models.build("llama", "sdpa").model
    model = torch.nn.parallel.DistributedDataParallel(network, process_group=groups[dist.get_rank()])
    if dist.get_rank() == 0:
        return {}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    session = greenplan.attach(model, optimizer, budget=0.5, budget_of="backward")
    return loop(model, session, optimizer, 2)


def ddp_joint() -> dict:
    return ddp("joint")


def ddp_drop() -> dict:
    return ddp("drop")


def ddp_steps_with_nothing_left() -> dict:
    """Under no_sync: steps, and last micro-batches, in which every block that holds adapters is dropped."""
    found = {}
    for draw_per in ("step", "micro-batch"):
        network = hf_models.build("llama", "sdpa").model
        for name, parameter in network.named_parameters():
            parameter.requires_grad_("layers" in name)
        model = torch.nn.parallel.DistributedDataParallel(network)
        optimizer = torch.optim.SGD([one for one in network.parameters() if one.requires_grad], lr=0.05)
        options = {"budget": 0.1, "budget_of": "backward", "method": "drop", "allocation": "uniform"}
        session = greenplan.attach(model, optimizer, draw_per=draw_per, **options)
        found[draw_per] = {**loop(model, session, optimizer, 24, parts=2)}
        found[draw_per]["empty"] = sum(not gradients for gradients in found[draw_per]["gradients"])
        session.detach()
    return found


def ddp_probe_that_fails() -> dict:
    """The loop catches the error; its next steps reduce what the plan trains."""
    model = torch.nn.parallel.DistributedDataParallel(hf_models.build("llama", "sdpa").model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    session = greenplan.attach(model, optimizer, budget=0.5, probe="separate")
    session.begin_round(lambda: model(**batch_of(dist.get_rank(), 0)).loss)
    loop(model, session, optimizer, 1)
    try:
        session.begin_round(lambda: model(**batch_of(dist.get_rank(), 0)).loss * torch.nan)
    except greenplan.Error:
        pass
    return loop(model, session, optimizer, 2)


def ddp_separate() -> dict:
    """Each rank probes its own batches; all get one plan."""
    network = hf_models.build("llama", "sdpa").model
    model = torch.nn.parallel.DistributedDataParallel(network)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    rank = dist.get_rank()
    batches = [batch_of(rank, 0), batch_of(rank, 1)]
    own, _ = probe_cross_fitted(
        network.named_parameters(), optimizer, [lambda batch=batch: network(**batch).loss for batch in batches]
    )
    session = greenplan.attach(model, optimizer, budget=0.5, probe="separate")
    session.begin_round([lambda batch=batch: model(**batch).loss for batch in batches])
    own_value = sum(own[name] for name in session.plan.trainable)
    return {**loop(model, session, optimizer, 3), "own_value": own_value, "value": session.plan.value}


def ddp_planner_service() -> dict:
    """Each rank reports what it measured; the service makes the plan once all have."""
    found = {}
    for planner in ("local", os.environ["PLANNER"]):
        model = torch.nn.parallel.DistributedDataParallel(hf_models.build("llama", "sdpa").model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        options = {"budget": 0.5, "budget_of": "backward", "method": "joint", "plan_every": 2, "seed": 1}
        session = greenplan.attach(
            model, optimizer, planner=planner, job="" if planner == "local" else "ddp", **options
        )
        found["local" if planner == "local" else "service"] = loop(model, session, optimizer, 4)
        session.detach()
    return found


def ddp_planner_away() -> dict:
    """A job that is there already, of a training that measured something else; then a planner that is away once."""
    found = {}
    for rate in (0.01, 0.02):
        model = torch.nn.parallel.DistributedDataParallel(hf_models.build("llama", "sdpa").model)
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
        options = {"budget": 0.5, "budget_of": "backward", "plan_every": 1, "planner": os.environ["PLANNER"]}
        session = greenplan.attach(model, optimizer, job="ddp", **options)
        found[str(rate)] = loop(model, session, optimizer, 2)
        if rate == 0.02:
            planner = session._rounds.planner
            service, planner._service, planner._remote = planner._service, Service("127.0.0.1:1", timeout=0.1), None
            found["away"] = loop(model, session, optimizer, 1)
            planner._service, planner._remote = service, None
            found["back"] = loop(model, session, optimizer, 1)
        session.detach()
    return found


def ddp_state_of_another_plan() -> dict:
    """Ranks that resume from different checkpoints are told so."""
    model = torch.nn.parallel.DistributedDataParallel(hf_models.build("llama", "sdpa").model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    session = greenplan.attach(model, optimizer, budget=0.5)
    loop(model, session, optimizer, 1)
    state = session.state_dict()
    session.detach()
    state["plan"]["digest"] = f"{dist.get_rank()}"
    session = greenplan.attach(model, optimizer, budget=0.5)
    try:
        session.load_state_dict(state)
    except greenplan.Error as error:
        return {"error": str(error), "code": error.code}
    return {"error": ""}


def fsdp2(method: str, mixed: bool = False) -> dict:
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    model = hf_models.build("llama", "sdpa").model
    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    options = {"mp_policy": policy} if mixed else {}
    for layer in model.model.layers:
        fully_shard(layer, **options)
    fully_shard(model, **options)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    session = greenplan.attach(model, optimizer, budget=0.5, budget_of="backward", method=method, plan_every=3, seed=1)
    found = loop(model, session, optimizer, 7, evaluates=True)
    return {**found, "reduce_dtypes": sorted({str(group._reduce_dtype) for group in _groups(model)})}


def _groups(model) -> list:
    modules = [module for module in model.modules() if hasattr(module, "_get_fsdp_state")]
    return [group for module in modules for group in groups_of(module)]


def fsdp2_selection() -> dict:
    return fsdp2("selection")


def fsdp2_joint() -> dict:
    return fsdp2("joint")


def fsdp2_mixed_precision() -> dict:
    return fsdp2("selection", mixed=True)


def fsdp2_resume(has_root: bool = True) -> dict:
    """The plan is applied before the first forward pass; the type of the reduction must not suffer."""
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)

    def sharded():
        model = hf_models.build("llama", "sdpa").model
        for layer in model.model.layers:
            fully_shard(layer, mp_policy=policy)
        if has_root:
            fully_shard(model, mp_policy=policy)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        return model, optimizer, greenplan.attach(model, optimizer, budget=0.4, budget_of="backward", plan_every=2)

    model, optimizer, session = sharded()
    loop(model, session, optimizer, 1)
    state = session.state_dict()
    model, optimizer, session = sharded()
    session.load_state_dict(state)
    found = loop(model, session, optimizer, 3)
    groups = _groups(model)
    return {**found, "reduce_dtypes": sorted({str(group._reduce_dtype) for group in groups})}


def fsdp2_resume_of_layers() -> dict:
    """Each layer is sharded by itself, the model as a whole is not."""
    return fsdp2_resume(has_root=False)


def shard_on_cpus() -> None:
    """Lets accelerate take its way with FSDP2, which it leaves where there is no accelerator."""
    from accelerate.state import AcceleratorState, DistributedType

    original = AcceleratorState.__init__

    def init(self, *args, fsdp_plugin=None, **kwargs):
        original(self, *args, fsdp_plugin=fsdp_plugin, **kwargs)
        if fsdp_plugin is not None:
            self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin

    AcceleratorState.__init__ = init


def trainer_fsdp2() -> dict:
    """The Trainer's own FSDP2: two epochs, and again from a checkpoint within the first one."""
    shard_on_cpus()
    config = {"version": 2, "transformer_layer_cls_to_wrap": ["LlamaDecoderLayer"]}
    config["state_dict_type"] = "SHARDED_STATE_DICT"
    folder = Path(sys.argv[2]) / "trainer"
    found = []
    for checkpoint in (None, str(folder / "checkpoint-2")):
        options = {"save_strategy": "steps", "save_steps": 2, "fsdp": True, "fsdp_config": dict(config)}
        run = trainer(folder, callback=made(), **options)
        run.train(resume_from_checkpoint=checkpoint)
        session = session_of(run)
        found.append(
            {
                "type": type(next(run.model.parameters())).__name__,
                "losses": [entry["loss"] for entry in run.state.log_history if "loss" in entry],
                "plans": [entry["digest"] for entry in session.history],
                "history": session.history,
                "mismatches": list(session.mismatches),
                "digest": digest_of(run.model),
            }
        )
    return {"runs": found}


def accelerate_fsdp2() -> dict:
    """A loop of accelerate with FSDP2, two micro-batches a step."""
    from accelerate import Accelerator, FullyShardedDataParallelPlugin

    shard_on_cpus()
    plugin = FullyShardedDataParallelPlugin(
        fsdp_version=2, auto_wrap_policy="transformer_based_wrap", transformer_cls_names_to_wrap=["LlamaDecoderLayer"]
    )
    accelerator = Accelerator(cpu=True, fsdp_plugin=plugin, gradient_accumulation_steps=2)
    model = hf_models.build("llama", "sdpa").model
    model, optimizer = accelerator.prepare(model, torch.optim.AdamW(model.parameters(), lr=0.01))
    session = greenplan.attach(model, optimizer, budget=0.5, budget_of="backward", method="joint", plan_every=2, seed=1)
    gradients = []
    for number in range(8):
        with accelerator.accumulate(model):
            with session.step(ends=accelerator.sync_gradients):
                accelerator.backward(model(**batch_of(dist.get_rank(), number)).loss)
            gradients.append(sorted(name for name, one in session.model.named_parameters() if one.grad is not None))
            accelerator.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    return {
        "type": type(next(model.parameters())).__name__,
        "steps": session.steps,
        "plans": [entry["digest"] for entry in session.history],
        "executed": [entry["executed_backward_flops"] for entry in session.history],
        "gradients": gradients,
        "trainable": [list(entry["trainable"]) for entry in session.history],
        "mismatches": list(session.mismatches),
        "digest": digest_of(model),
    }


def trainer_ddp() -> dict:
    watcher = Watcher()
    folder = Path(sys.argv[2]) / "trainer"
    run = trainer(folder, callback=made(method="joint"), callbacks=[watcher], gradient_accumulation_steps=2)
    run.train()
    session = session_of(run)
    return {
        "wrapped": type(run.model_wrapped).__name__,
        "digest": digest_of(run.model),
        "plans": [entry["digest"] for entry in session.history],
        "steps": session.steps,
        "reduced_bytes": [entry["reduced_bytes"] for entry in session.history],
        "mismatches": list(session.mismatches),
        "moved_outside": [
            sorted(step["moved"] - set(session.history[0]["trainable"]) - set(session.history[-1]["trainable"]))
            for step in watcher.steps
        ],
    }


def main() -> None:
    case, folder = sys.argv[1:3]
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    dist.init_process_group("gloo")
    found = globals()[case]()
    Path(folder, f"{os.environ['RANK']}.json").write_text(json.dumps(found))
    gc.collect()
    dist.barrier()
    dist.destroy_process_group()
    # torch keeps the group of an FSDP2 model beyond its destruction, with or without greenplan. Where gloo's threads
    # outlive the interpreter, they now and then abort the process, so the interpreter is not taken down.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
