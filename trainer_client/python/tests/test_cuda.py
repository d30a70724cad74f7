"""What differs on a GPU: kernels, random numbers, where the optimizer's state lies, NCCL."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

import greenplan
import hf_models
from flops import executed_backward_flops, random_masks
from greenplan.probe import loss_reduction
from trainers import Watcher, made, trainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

KERNELS = {
    SDPBackend.FLASH_ATTENTION: "ScaledDotProductFlashAttention",
    SDPBackend.EFFICIENT_ATTENTION: "ScaledDotProductEfficientAttention",
    SDPBackend.CUDNN_ATTENTION: "ScaledDotProductCudnnAttention",
    SDPBackend.MATH: "Bmm",
}
WIDTH, HEADS = 128, 2


class Attention(torch.nn.Module):
    """x + out(attention(x)) in bfloat16, checkpointed or not; both query heads may share one key and value head."""

    def __init__(self, checkpointed: bool, shared: bool = False) -> None:
        super().__init__()
        torch.manual_seed(1)
        options = {"bias": False, "device": "cuda", "dtype": torch.bfloat16}
        self.heads = [HEADS, 1, 1] if shared else [HEADS] * 3
        self.into = torch.nn.Linear(16, WIDTH, **options)
        self.qkv = torch.nn.Linear(WIDTH, sum(self.heads) * WIDTH // HEADS, **options)
        self.out = torch.nn.Linear(WIDTH, WIDTH, **options)
        self.checkpointed = checkpointed
        self.x = torch.randn(2, 64, 16, device="cuda", dtype=torch.bfloat16)

    def layer(self, x: torch.Tensor) -> torch.Tensor:
        heads = self.qkv(x).view(2, 64, sum(self.heads), -1).transpose(1, 2)
        query, key, value = heads.split(self.heads, dim=1)
        shares = len(set(self.heads)) > 1
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=shares)
        return x + self.out(attended.transpose(1, 2).flatten(2))

    def forward(self) -> torch.Tensor:
        x = self.into(self.x)
        x = checkpoint(self.layer, x, use_reentrant=False) if self.checkpointed else self.layer(x)
        return x.float().pow(2).mean()


@pytest.mark.parametrize("checkpointed", [False, True])
@pytest.mark.parametrize("backend", KERNELS, ids=lambda backend: backend.name)
def test_predicts_what_backward_executes(backend, checkpointed):
    model = Attention(checkpointed)
    parameters = dict(model.named_parameters())
    with sdpa_kernel([backend]):
        profile = greenplan.profile(model(), parameters.items())
        assert any(op.name.startswith(KERNELS[backend]) for op in profile.ops)
        for mask in random_masks(list(profile.names), 8):
            executed = executed_backward_flops(parameters, mask, model)
            assert profile.cost(mask).backward_cost == executed, mask


@pytest.mark.parametrize("backend", [SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION, SDPBackend.MATH])
def test_grouped_queries(backend):
    model = Attention(checkpointed=False, shared=True)
    parameters = dict(model.named_parameters())
    with sdpa_kernel([backend]):
        profile = greenplan.profile(model(), parameters.items())
        for mask in random_masks(list(profile.names), 8):
            assert profile.cost(mask).backward_cost == executed_backward_flops(parameters, mask, model), mask


SIZES = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4}


def attached(dtype=torch.bfloat16, scaler=None, **options):
    """A small LLaMA of transformers on the GPU, a fused AdamW, and a session that plans at every fourth step."""
    built = hf_models.build("llama", "sdpa", **SIZES, attention_dropout=0.1)
    model = built.model.to("cuda", dtype)
    batch = {name: value.to("cuda") for name, value in built.batch.items()}
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
    options = {"budget": 0.5, "budget_of": "backward", "plan_every": 4, **options}
    session = greenplan.attach(model, optimizer, scaler=scaler, **options)
    return model, optimizer, session, lambda: model(**batch).loss


def train_step(model, optimizer, session, loss):
    """One step, in which only what is planned may have moved. Returns the loss."""
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    with session.step():
        value = loss()
        value.backward()
    optimizer.step()
    optimizer.zero_grad()
    trained = set(before if session.plan is None else session.plan.trainable)
    moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
    assert moved <= trained
    return value.item()


@pytest.mark.parametrize("probe", ["in-step", "separate"])
@pytest.mark.parametrize("method", ["selection", "drop", "joint"])
def test_executes_what_is_predicted_under_every_method(method, probe):
    model, optimizer, session, loss = attached(method=method, probe=probe, plan_every="epoch")
    for _ in range(2):
        session.begin_round(loss if probe == "separate" else None)
        for _ in range(4):
            train_step(model, optimizer, session, loss)
    assert len(session.history) == 2
    assert session.history[-1]["executed_backward_flops"] is not None
    assert not session.mismatches
    if method != "drop":
        assert all(entry["value"] > 0 for entry in session.history)


def test_the_separate_probe_leaves_everything_as_it_was():
    model, optimizer, session, loss = attached(method="joint", probe="separate", plan_every="epoch")
    session.begin_round(loss)
    train_step(model, optimizer, session, loss)
    weights = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    state = {
        (index, key): value.clone()
        for index, of_tensor in enumerate(optimizer.state.values())
        for key, value in of_tensor.items()
    }
    random_numbers = torch.cuda.get_rng_state()
    session.begin_round([loss, loss])
    assert all(torch.equal(parameter, weights[name]) for name, parameter in model.named_parameters())
    for index, of_tensor in enumerate(optimizer.state.values()):
        assert all(torch.equal(value, state[index, key]) for key, value in of_tensor.items())
    assert torch.equal(torch.cuda.get_rng_state(), random_numbers)


def test_state_of_frozen_tensors_waits_on_the_host_or_is_freed():
    bytes_by_policy = {}
    for policy in ("keep", "offload", "drop"):
        model, optimizer, session, loss = attached(optimizer_state=policy, warmup_rounds=1)
        for _ in range(5):  # Four that train everything, and the one that measures.
            train_step(model, optimizer, session, loss)
        trained = set(session.plan.trainable)
        where = {}
        for name, parameter in model.named_parameters():
            state = optimizer.state.get(parameter)
            where.setdefault(name in trained, set()).add(None if not state else state["exp_avg"].device.type)
        frozen = {"keep": {"cuda"}, "offload": {"cpu"}, "drop": {None}}[policy]
        assert where == {True: {"cuda"}, False: frozen}
        bytes_by_policy[policy] = sum(
            value.nbytes for state in optimizer.state.values() for value in state.values() if value.is_cuda
        )
        for _ in range(8):  # Two more rounds: some tensors thaw.
            train_step(model, optimizer, session, loss)
        assert not session.mismatches
    assert bytes_by_policy["drop"] <= bytes_by_policy["offload"] < bytes_by_policy["keep"]


def test_resume_goes_on_with_the_same_draws_and_random_numbers():
    def go_on(model, optimizer, session, loss):
        losses = [train_step(model, optimizer, session, loss) for _ in range(6)]
        return losses, [entry["digest"] for entry in session.history]

    with sdpa_kernel([SDPBackend.MATH]):
        model, optimizer, session, loss = run = attached(dtype=torch.float32, method="joint")
        for _ in range(2):
            train_step(*run)
        saved = model.state_dict(), optimizer.state_dict(), session.state_dict(), torch.cuda.get_rng_state()
        model_state, optimizer_state, session_state, random_numbers = copy.deepcopy(saved)
        expected, expected_plans = go_on(*run)
        model, optimizer, session, loss = run = attached(dtype=torch.float32, method="joint")
        model.load_state_dict(model_state)
        optimizer.load_state_dict(optimizer_state)
        session.load_state_dict(session_state)
        torch.cuda.set_rng_state(random_numbers)
        actual, plans = go_on(*run)
    assert plans == expected_plans
    assert actual == pytest.approx(expected, rel=1e-5)


def test_under_fp16_scaling():
    scaler = torch.amp.GradScaler("cuda", init_scale=1024.0)
    model, optimizer, session, loss = attached(dtype=torch.float32, scaler=scaler, method="joint")
    for _ in range(6):
        before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        with session.step():
            with torch.autocast("cuda", torch.float16):
                value = loss()
            scaler.scale(value).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        moved = {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}
        assert moved
        assert moved <= set(session.plan.trainable)
    assert session.history[-1]["executed_backward_flops"] is not None
    assert not session.mismatches


def test_ddp_over_nccl_reduces_what_is_trained_and_no_more(tmp_path):
    """One rank: that of one GPU. What more ranks agree on is tested over Gloo."""
    import torch.distributed.algorithms.ddp_comm_hooks.default_hooks as hooks

    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("nccl", store=store, rank=0, world_size=1, device_id=torch.device("cuda:0"))
    try:
        built = hf_models.build("llama", "sdpa", **SIZES)
        batch = {name: value.to("cuda") for name, value in built.batch.items()}
        model = torch.nn.parallel.DistributedDataParallel(built.model.to("cuda", torch.bfloat16), device_ids=[0])
        reduced = []

        def hook(state, bucket):
            reduced.append(bucket.buffer().nbytes)
            return hooks.allreduce_hook(state, bucket)

        model.register_comm_hook(None, hook)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, fused=True)
        session = greenplan.attach(model, optimizer, budget=0.5, budget_of="backward")
        sizes = {name: parameter.nbytes for name, parameter in session.model.named_parameters()}
        for step in range(4):
            reduced.clear()
            train_step(session.model, optimizer, session, lambda: model(**batch).loss)
            expected = sizes if step == 0 else session.plan.trainable
            assert sum(reduced) == sum(sizes[name] for name in expected), step
        assert not session.mismatches
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"bf16": True, "gradient_accumulation_steps": 2},
        {"fp16": True},
        {"gradient_checkpointing": True, "max_grad_norm": 0.1},
        {"optim": "adamw_torch_fused", "bf16": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("method", ["selection", "joint"])
def test_the_trainer_executes_what_is_predicted(tmp_path, method, arguments):
    watcher = Watcher()
    model = hf_models.build("llama", "sdpa", **SIZES).model
    callback = made(method=method)
    run = trainer(tmp_path, model, callback, callbacks=[watcher], use_cpu=False, **arguments)
    run.train()
    assert next(run.model.parameters()).is_cuda
    history = callback.session.history
    assert len(history) == (2 if method == "selection" else 3)  # One more where rates stop being uniform.
    assert history[-1]["executed_backward_flops"] is not None
    assert not callback.session.mismatches
    for step in watcher.steps:
        assert step["moved"] <= step["live"]
    assert len({frozenset(step["moved"]) for step in watcher.steps}) > 1


def test_adapters_of_peft():
    peft = pytest.importorskip("peft")
    built = hf_models.build("llama", "sdpa", **SIZES)
    config = peft.LoraConfig(r=4, lora_alpha=8, lora_dropout=0.1, target_modules="all-linear", task_type="CAUSAL_LM")
    model = peft.get_peft_model(built.model, config).to("cuda", torch.bfloat16)
    batch = {name: value.to("cuda") for name, value in built.batch.items()}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.01, fused=True)
    session = greenplan.attach(model, optimizer, method="drop", mean_drop_rate=0.5)
    for _ in range(6):
        train_step(model, optimizer, session, lambda: model(**batch).loss)
    assert session.history[-1]["executed_backward_flops"] is not None
    assert not session.mismatches


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("shape", [(), (7,), (4097, 1027)], ids=str)
def test_sums_rows_on_the_gpu_as_exactly_as_double(shape, dtype):
    torch.manual_seed(1)
    one, other = torch.randn(2, *shape, device="cuda").to(dtype)
    expected = (one.double() * other.double()).sum().item()
    scale = (one.double() * other.double()).abs().sum().item()
    assert abs(loss_reduction(one, other) + expected) <= 1e-7 * scale
