"""What goes wrong for people who change requires_grad in the middle of training, one test each."""

from __future__ import annotations

import peft
import pytest
import torch
import torch.nn.functional as F

import greenplan
import hf_models
from flops import count
from test_session import attached, flags, resumed, state_of, train_step


def test_a_parameter_outside_the_optimizer_is_named():
    model = hf_models.build("llama").model
    optimizer = torch.optim.AdamW([p for name, p in model.named_parameters() if name != "lm_head.weight"])
    with pytest.raises(
        ValueError, match=r"optimizer lacks 1 of the 21 parameters that require grad \(lm_head.weight\)"
    ):
        greenplan.attach(model, optimizer, budget=0.5)


def test_a_model_without_trainable_parameters_is_refused():
    model = hf_models.build("llama").model
    optimizer = torch.optim.AdamW(model.parameters())
    with pytest.raises(ValueError, match="has no parameter that requires grad; attach before anything is frozen"):
        greenplan.attach(model.requires_grad_(False), optimizer, budget=0.5)


def test_a_loop_whose_steps_never_reach_the_optimizer_is_told_once(caplog):
    """Micro-batches that are taken for steps, or another optimizer made after attaching."""
    model, _, session = attached(plan_every=2)
    other = torch.optim.AdamW(model.model.parameters())
    for _ in range(4):
        train_step(model, other, session)
    assert caplog.text.count("two steps of the session have ended without a step of its optimizer between them") == 1


def test_a_scaler_may_skip_steps_of_the_optimizer(caplog):
    model, optimizer, _ = attached()
    scaler = torch.amp.GradScaler("cpu")
    session = greenplan.attach(model.model, optimizer, budget=0.5, scaler=scaler)
    caplog.clear()
    for _ in range(3):
        with session.step():
            scaler.scale(model.loss()).backward()
    assert "without a step of its optimizer" not in caplog.text


def test_a_step_that_waits_for_its_last_micro_batch_says_so():
    model, optimizer, session = attached()
    with session.step(ends=False):
        model.loss().backward()
    with pytest.raises(greenplan.Error, match="begin_round: a step waits for more micro-batches.*ends=True"):
        session.begin_round()
    session.detach()  # Else the step goes on until it is collected, and looks at the losses of other tests.


def test_several_optimizers_are_refused_with_what_to_do():
    model = hf_models.build("llama").model
    with pytest.raises(ValueError, match="one torch.optim.Optimizer, with a parameter group for each"):
        greenplan.attach(model, [torch.optim.AdamW(model.parameters())], budget=0.5)


@pytest.mark.parametrize("name", ["lm_head.weight", "model.layers.1.mlp.up_proj.weight"])
def test_what_a_second_optimizer_trains_is_charged_always(name):
    model = hf_models.build("llama", "sdpa")
    other = model.parameters[name]
    other.requires_grad_(False)  # While the session attaches: it is none of its candidates.
    optimizer = torch.optim.AdamW([one for one in model.parameters.values() if one is not other], lr=0.01)
    session = greenplan.attach(model.model, optimizer, budget=0.5, budget_of="backward", plan_every=2)
    other.requires_grad_(True)
    second = torch.optim.SGD([other], lr=0.01)
    for _ in range(4):
        before = other.detach().clone()
        train_step(model, optimizer, session)
        second.step()
        second.zero_grad()
        assert not torch.equal(before, other)
    assert name not in session.profile.names
    assert len(session.history) == 2
    assert not session.mismatches
    for entry in session.history:
        assert entry["executed_backward_flops"] == entry["predicted_backward_flops"]
        assert entry["executed_backward_flops"] <= 0.5 * entry["full_backward_flops"]
    state, plan = session.state_dict(), session.plan
    session.detach()
    other.requires_grad_(False)
    again = greenplan.attach(model.model, optimizer, budget=0.5, budget_of="backward", plan_every=2)
    other.requires_grad_(True)
    again.load_state_dict(state)
    assert again.plan == plan


def test_what_was_frozen_before_is_never_trained():
    model = hf_models.build("llama")
    model.parameters["lm_head.weight"].requires_grad_(False)
    optimizer = torch.optim.AdamW(model.model.parameters(), lr=0.01)
    session = greenplan.attach(model.model, optimizer, budget=0.5, plan_every=1)
    for _ in range(2):
        train_step(model, optimizer, session)
        assert "lm_head.weight" not in session.plan.trainable
    session.detach()
    assert flags(model) == {name: name != "lm_head.weight" for name in model.parameters}


@pytest.mark.parametrize("is_in_optimizer", [True, False])
def test_what_was_frozen_before_and_is_thawed_by_somebody_else_is_planned(is_in_optimizer, caplog):
    """As by Lightning's BaseFinetuning, or a callback that unfreezes the first layers after some epochs."""
    model = hf_models.build("llama")
    layer = [one for name, one in model.parameters.items() if ".layers.0." in name]
    for one in layer:
        one.requires_grad_(False)
    optimizer = torch.optim.AdamW([one for one in model.parameters.values() if one.requires_grad], lr=0.01)
    session = greenplan.attach(model.model, optimizer, budget=0.9, budget_of="backward", plan_every=2)
    for step in range(4):
        if step == 2:
            for one in layer:
                one.requires_grad_(True)
            if is_in_optimizer:
                optimizer.add_param_group({"params": layer})
        train_step(model, optimizer, session)
    first, second = (sum(".layers.0." in name for name in entry["trainable"]) for entry in session.history)
    assert first == 0 and (second > 0) == is_in_optimizer
    assert ("no longer frozen: model.layers.0." in caplog.text) == is_in_optimizer
    assert caplog.text.count("the optimizer lacks model.layers.0.") == (0 if is_in_optimizer else 1)
    if is_in_optimizer:
        assert not session.mismatches
        assert session.history[1]["executed_backward_flops"] == session.history[1]["predicted_backward_flops"]


def test_a_thawed_tensor_is_stepped_with_the_bias_correction_of_its_own_count():
    model, optimizer, session = attached(plan_every=2, optimizer_state="drop")
    counts: dict[str, int] = {}
    for _ in range(6):
        with session.step():
            model.loss().backward()
        trained = set(session.plan.trainable)
        counts = {name: counts.get(name, 0) + 1 for name in trained}  # A tensor that is frozen forgets its count.
        optimizer.step()
        optimizer.zero_grad()
        assert {
            n: int(optimizer.state[p]["step"]) for n, p in model.parameters.items() if p in optimizer.state
        } == counts


def checkpointed(use_reentrant, **options):
    model, optimizer, session = attached(**options)
    hf_models.checkpoint_activations(model.model, use_reentrant)
    return model, optimizer, session


def test_frozen_layers_below_a_checkpoint_do_not_kill_the_gradients_above():
    model, optimizer, session = checkpointed(False)
    for _ in range(2):
        with session.step():
            model.loss().backward()
        assert {name for name, p in model.parameters.items() if p.grad is not None} == set(session.plan.trainable)
        optimizer.step()
        optimizer.zero_grad()
    assert session.history[0]["executed_backward_flops"] == session.history[0]["predicted_backward_flops"]


def test_reentrant_checkpoints_that_would_lose_gradients_are_refused():
    model, optimizer, session = checkpointed(True)
    with pytest.raises(greenplan.Error, match="use_reentrant=False"):
        with session.step():
            model.loss().backward()
    assert all(flags(model).values())
    model, optimizer, session = checkpointed(True, pinned=["model.embed_tokens.weight"], budget=0.8)
    for _ in range(2):
        train_step(model, optimizer, session)
    assert session.history[0]["executed_backward_flops"] == session.history[0]["predicted_backward_flops"]


def test_an_empty_plan_under_reentrant_checkpoints_runs_nothing(caplog):
    """The hook for input gradients would keep the whole backward alive for nothing."""
    model, optimizer, session = checkpointed(True, budget=0.05)
    model.model.enable_input_require_grads()
    session.detach()
    for name, parameter in model.parameters.items():
        parameter.requires_grad_("layers.1.mlp" in name)
    session = greenplan.attach(model.model, optimizer, budget=0.05, budget_of="backward")
    before = [parameter.detach().clone() for parameter in model.parameters.values()]
    for _ in range(3):
        train_step(model, optimizer, session)
    assert session.plan.status == "EMPTY"
    assert "no tensor fits" in caplog.text
    assert not session.mismatches
    assert all(torch.equal(one, other) for one, other in zip(before, model.parameters.values(), strict=True))


class OpenInput(torch.nn.Module):
    """Residual blocks over an input that requires grad, as the feature encoder of wav2vec2 makes it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.first = torch.nn.Linear(5, 6)
        self.blocks = torch.nn.ModuleList(
            torch.nn.Sequential(torch.nn.LayerNorm(6), torch.nn.Linear(6, 7), torch.nn.ReLU(), torch.nn.Linear(7, 6))
            for _ in range(3)
        )

    def forward(self, x):
        x = x.clone()
        x.requires_grad = True
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return x.pow(2).mean()


def with_open_input(**options):
    model = OpenInput()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    return model, optimizer, greenplan.attach(model, optimizer, budget_of="backward", plan_every=4, **options)


def step_with_open_input(model, optimizer, session, losses=1):
    with session.step():
        executed = sum(count(model(torch.ones(3, 5)).backward) for _ in range(losses))
    optimizer.step()
    optimizer.zero_grad()
    return executed


@pytest.mark.parametrize("method", ["drop", "joint"])
def test_a_dropped_block_passes_no_gradient_to_an_input_that_requires_grad(method):
    first = with_open_input(method=method, budget=0.8, min_drop_rate=0.1)
    step_with_open_input(*first)
    again = with_open_input(method=method, budget=0.8, min_drop_rate=0.1)
    again[2].load_state_dict(first[2].state_dict())
    of_steps = set()
    for model, optimizer, session in (first, again):
        names = [block for block, rate in session.plan.drop_rates.items() if rate > 0]
        for step in range(3):
            dropped = names[:step]
            session._rounds.planner.draw_blocks = lambda plan, number, dropped=dropped: dropped
            executed = step_with_open_input(model, optimizer, session)
            assert executed == session.profile.step_cost(session.plan.trainable, dropped)
            of_steps.add(executed)
        assert not session.mismatches
    assert len(of_steps) == 3


def test_an_empty_plan_does_not_hide_what_an_input_that_requires_grad_costs():
    session = (run := with_open_input(budget=0.05))[2]
    step_with_open_input(*run)
    executed = step_with_open_input(*run)
    assert session.plan.status == "EMPTY"
    assert executed == session.history[0]["predicted_backward_flops"] > 0
    assert not session.mismatches


@pytest.mark.parametrize("method", ["drop", "joint"])
def test_a_model_without_blocks_is_told(method, caplog):
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    session = greenplan.attach(model, optimizer, method=method, budget=0.6)

    def step():
        with session.step():
            model(torch.ones(3, 6)).sum().backward()

    if method == "drop":
        with pytest.raises(greenplan.Error, match='method is "drop", but the model has no residual block'):
            step()
        assert all(parameter.requires_grad for parameter in model.parameters())
    else:
        step()
        assert "the joint plans are selections" in caplog.text
        assert session.plan.trainable


def test_blocks_are_dropped_under_reentrant_checkpoints():
    model, optimizer, session = checkpointed(True, method="drop", budget=0.8, seed=2)
    for _ in range(4):
        train_step(model, optimizer, session)
    assert session.history[0]["executed_backward_flops"] is not None
    assert not session.mismatches


def reentrant_with_hook(budget):
    """Makes what a Trainer makes of a model whose input embedding is frozen."""

    def make():
        model = hf_models.build("llama", "sdpa")
        model.parameters["model.embed_tokens.weight"].requires_grad_(False)
        hf_models.checkpoint_activations(model.model, True)
        model.model.enable_input_require_grads()
        optimizer = torch.optim.AdamW(model.model.parameters(), lr=0.01)
        return model, optimizer, greenplan.attach(model.model, optimizer, budget=budget, budget_of="backward")

    return make


def test_resume_under_reentrant_checkpoints_loses_no_gradient():
    make = reentrant_with_hook(0.9)
    first = make()
    train_step(*first)
    model, optimizer, session = resumed(state_of(*first), make)
    with session.step():
        model.loss().backward()
    assert session.plan.trainable
    assert {name for name, p in model.parameters.items() if p.grad is not None} == set(session.plan.trainable)


def test_a_budget_below_the_whole_backward_of_reentrant_checkpoints_says_what_to_do(caplog):
    model, optimizer, session = reentrant_with_hook(0.1)()
    train_step(model, optimizer, session)
    assert session.plan.status == "EMPTY"
    assert "nothing trains in this round" in caplog.text
    assert "under use_reentrant=False" in caplog.text


@pytest.mark.parametrize(
    "options", [{"pinned": ["model.embed_tokens.weight"], "budget": 0.3}, {"method": "drop", "budget": 0.05}], ids=str
)
def test_a_refused_budget_under_reentrant_checkpoints_says_what_to_do(options):
    model, _, session = checkpointed(True, **options)
    with pytest.raises(ValueError, match="budget.*any tensor needs the whole backward pass, under use_reentrant=False"):
        with session.step():
            model.loss().backward()
    assert all(flags(model).values())


def test_rates_are_uniform_where_a_step_cannot_measure_sensitivity(caplog):
    model, optimizer, session = checkpointed(True, method="drop", budget=0.8, plan_every=1)
    for _ in range(2):
        train_step(model, optimizer, session)
    said = [record.message for record in caplog.records if "sensitivity of blocks cannot be measured" in record.message]
    assert len(said) == 1 and "use_reentrant=True" in said[0]
    assert [len(set(entry["drop_rates"].values())) for entry in session.history] == [1, 1]


def test_sensitivity_is_measured_under_checkpoints_that_are_not_reentrant():
    plain, checkpointing = attached(method="drop"), checkpointed(False, method="drop")
    for model, optimizer, session in (plain, checkpointing):
        train_step(model, optimizer, session)
    assert plain[2]._measuring.sensitivity == pytest.approx(checkpointing[2]._measuring.sensitivity)


def test_sensitivity_under_a_scaler_is_that_of_the_loss_itself():
    _, _, plain = run = attached(method="drop")
    train_step(*run)
    model, optimizer, _ = attached(method="drop")
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    session = greenplan.attach(model.model, optimizer, method="drop", budget=0.5, scaler=scaler)
    with session.step():
        scaler.scale(model.loss()).backward()
    assert session._measuring.sensitivity == pytest.approx(plain._measuring.sensitivity)


def test_an_optimizer_whose_update_cannot_be_replayed_drops_blocks_all_the_same():
    with pytest.raises(greenplan.Error, match="optimizer is Rprop; allowed: AdamW"):
        attached(optimizer=torch.optim.Rprop)
    model, optimizer, session = attached(optimizer=torch.optim.Rprop, method="drop")
    for _ in range(3):
        train_step(model, optimizer, session)
    assert not session.mismatches


def saved_by_graph(loss):
    """Counts the nodes that wait for backward."""
    seen, stack = set(), [loss.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            stack.extend(following for following, _ in node.next_functions)
    return len(seen)


@pytest.mark.parametrize("is_checkpointed", [False, True])
def test_the_hook_for_input_gradients_does_not_keep_the_frozen_layers_graph_alive(is_checkpointed):
    sizes = []
    for has_hook in (False, True):
        model, optimizer, session = attached(budget=0.3)
        if is_checkpointed:
            hf_models.checkpoint_activations(model.model)
            model.model.disable_input_require_grads()
        if has_hook:
            model.model.enable_input_require_grads()
        train_step(model, optimizer, session)
        with session.step():
            loss = model.loss()
            sizes.append(saved_by_graph(loss))
            loss.backward()
        assert session.history[0]["executed_backward_flops"] == session.history[0]["predicted_backward_flops"]
    assert sizes[0] == sizes[1]
    session.detach()
    assert saved_by_graph(model.loss()) > sizes[0]


def with_adapters(**options):
    base = hf_models.build("llama", "sdpa")
    config = peft.LoraConfig(r=3, target_modules="all-linear", task_type="CAUSAL_LM")
    model = hf_models.HfModel(peft.get_peft_model(base.model, config), base.batch)
    optimizer = torch.optim.AdamW([p for p in model.model.parameters() if p.requires_grad], lr=0.01)
    options = {"budget": 0.75, "budget_of": "backward", **options}
    return model, optimizer, greenplan.attach(model.model, optimizer, **options)


def test_peft_saving_and_loading_an_adapter_flips_flags_that_are_put_back(tmp_path, caplog):
    model, optimizer, session = with_adapters()
    train_step(model, optimizer, session)
    expected = flags(model)
    assert not all(live for name, live in expected.items() if "lora_" in name)
    model.model.save_pretrained(tmp_path)
    model.model.set_adapter("default")  # Lets all of the adapter's tensors require grad.
    assert flags(model) != expected
    train_step(model, optimizer, session)
    assert flags(model) == expected
    assert "was changed by something else than the plan" in caplog.text
    assert "lora_" in caplog.text
    peft.set_peft_model_state_dict(model.model, peft.get_peft_model_state_dict(model.model))
    train_step(model, optimizer, session)
    assert flags(model) == expected


@pytest.mark.parametrize("method", ["selection", "joint"])
def test_adapters_that_are_switched_off_within_each_step_keep_to_the_plan(method, caplog):
    """As DPO does for its reference, after each forward pass; checkpoints run again in backward."""
    model, optimizer, session = with_adapters(method=method, seed=3)
    hf_models.checkpoint_activations(model.model)

    def losses():
        loss = model.loss()
        with torch.no_grad(), model.model.disable_adapter():
            model.loss()
        model.model.enable_input_require_grads()  # TRL also switches checkpointing off and on, which does this.
        return loss

    for step in range(4):
        executed = []
        before = {name: parameter.detach().clone() for name, parameter in model.parameters.items()}
        with session.step():
            for _ in range(2):
                loss = losses()
                executed.append(count(loss.backward))
        optimizer.step()
        optimizer.zero_grad()
        moved = {name for name, one in model.parameters.items() if not torch.equal(before[name], one)}
        assert moved <= set(session.plan.trainable)
        if step:
            assert executed == [session._execution.applied._predicted(session._execution.applied.dropped)] * 2
    assert not session.mismatches
    assert caplog.text.count("was changed by something else than the plan") == 1


@pytest.mark.parametrize("is_unscaled", [False, True])
def test_a_scaler_accepts_a_step_in_which_nothing_trains(is_unscaled):
    model = hf_models.build("llama")
    optimizer = torch.optim.AdamW(model.model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    session = greenplan.attach(model.model, optimizer, budget=0.5, scaler=scaler)

    def scaled_step():
        with session.step():
            scaler.scale(model.loss()).backward()
            if is_unscaled:
                scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    scaled_step()
    plain_model, plain_optimizer, plain = attached(budget_of="full", attention="eager")
    train_step(plain_model, plain_optimizer, plain)
    assert session.plan.value == pytest.approx(plain.plan.value, rel=1e-6)  # Importance is that of unscaled gradients.
    before = {name: parameter.detach().clone() for name, parameter in model.parameters.items()}
    session._execution.parameters.set_live([])
    session._execution.applied.live = ()
    scaled_step()
    assert all(torch.equal(before[name], parameter) for name, parameter in model.parameters.items())


def test_a_scaler_that_is_switched_off_is_none():
    model, optimizer, _ = attached()
    scaler = torch.amp.GradScaler("cpu", enabled=False)
    session = greenplan.attach(model.model, optimizer, budget=0.5, budget_of="backward", scaler=scaler)
    for _ in range(2):
        with session.step():
            scaler.scale(model.loss()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    assert session.history[0]["executed_backward_flops"] == session.history[0]["predicted_backward_flops"]


def test_zeros_that_stand_in_for_a_gradient_under_a_scaler_move_nothing():
    """Whatever is live is dropped in this step, and AdamW has momentum and decay."""
    model = hf_models.build("llama")
    optimizer = torch.optim.AdamW(model.model.parameters(), lr=0.01, weight_decay=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    session = greenplan.attach(model.model, optimizer, method="joint", budget=0.9, scaler=scaler)

    def scaled_step():
        with session.step():
            scaler.scale(model.loss()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()

    scaled_step()
    live = [name for name in model.parameters if ".layers.1.mlp." in name or "layers.1.post_attention" in name]
    session._execution.parameters.set_live(live)
    session._execution.applied.live, session._execution.applied.may_drop = tuple(live), True
    session._rounds.planner.draw_blocks = lambda plan, step: list(session.profile.blocks)
    session._execution._smallest = lambda: model.parameters[live[0]]
    before = {name: parameter.detach().clone() for name, parameter in model.parameters.items()}
    scaled_step()
    assert all(torch.equal(before[name], parameter) for name, parameter in model.parameters.items())


def test_blocks_are_dropped_under_a_scaler():
    model = hf_models.build("llama")
    optimizer = torch.optim.AdamW(model.model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=64.0)
    session = greenplan.attach(model.model, optimizer, method="drop", mean_drop_rate=0.5, seed=2, scaler=scaler)
    for _ in range(5):
        with session.step():
            scaler.scale(model.loss()).backward()
        live = {name for name, one in model.parameters.items() if one.grad is not None}
        before = {name: one.detach().clone() for name, one in model.parameters.items()}
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        moved = {name for name, one in model.parameters.items() if not torch.equal(before[name], one)}
        assert moved <= live
    assert len(live) < len(before)
    assert session.history[0]["executed_backward_flops"] is not None
    assert not session.mismatches


def test_a_step_that_overflows_is_not_planned_from(caplog):
    model = hf_models.build("llama")
    optimizer = torch.optim.AdamW(model.model.parameters(), lr=0.01)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)
    session = greenplan.attach(model.model, optimizer, budget=0.5, scaler=scaler)
    for _ in range(60):
        with session.step():
            scaler.scale(model.loss()).backward()
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        if session.plan is not None:
            break
        assert all(flags(model).values())
    assert session.plan is not None and session.plan.value > 0
    assert "is not finite; the next step measures again" in caplog.text


def test_a_step_that_overflows_on_another_rank_is_not_planned_from(caplog):
    model, optimizer, session = attached()
    any_rank, session._ranks.any = session._ranks.any, lambda value: True
    train_step(model, optimizer, session)
    assert session.plan is None and all(flags(model).values())
    session._ranks.any = any_rank
    train_step(model, optimizer, session)
    assert session.plan is not None


def test_an_optimizer_that_steps_within_the_step_is_told_before_anything_moves():
    model, optimizer, session = attached(optimizer=torch.optim.SGD)
    before = [parameter.detach().clone() for parameter in model.parameters.values()]
    with pytest.raises(greenplan.Error, match="optimizer.step\\(\\) was called within a step of the session"):
        with session.step():
            model.loss().backward()
            optimizer.step()
    assert all(torch.equal(one, other) for one, other in zip(before, model.parameters.values(), strict=True))
    assert all(flags(model).values())
    with pytest.raises(greenplan.Error, match="call it after `with session.step"):
        with session.step():
            optimizer.step(lambda: model.loss().backward())
    with pytest.raises(greenplan.Error, match="no tensor that may train has a gradient at the end of the step"):
        with session.step():
            model.loss().backward()
            optimizer.zero_grad()
    assert all(flags(model).values())


def test_a_step_within_the_optimizers_closure_is_planned():
    model, optimizer, session = attached(optimizer=torch.optim.SGD)
    before = {name: parameter.detach().clone() for name, parameter in model.parameters.items()}

    def closure():
        optimizer.zero_grad()
        with session.step():
            loss = model.loss()
            loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
    moved = {name for name, one in model.parameters.items() if not torch.equal(before[name], one)}
    assert moved == set(session.plan.trainable)
    assert session.history[0]["executed_backward_flops"] == session.history[0]["predicted_backward_flops"]


def test_a_loop_that_forgets_the_step_is_told_once(caplog):
    model, optimizer, session = attached()
    for _ in range(4):
        model.loss().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert caplog.text.count("without `with session.step():`") == 1
    caplog.clear()
    model, optimizer, session = attached()
    for _ in range(3):
        train_step(model, optimizer, session)
    assert not caplog.records


def test_an_optimizer_that_was_made_of_what_a_former_plan_had_left_live_is_told():
    """As when the cell of a notebook that attaches is run again."""
    model, optimizer, session = attached()
    train_step(model, optimizer, session)

    def cell():
        optimizer = torch.optim.AdamW([p for p in model.parameters.values() if p.requires_grad], lr=0.01)
        return greenplan.attach(model.model, optimizer, budget=0.5)

    with pytest.raises(ValueError, match="a former session had frozen some, and is detached now: make the optimizer"):
        cell()
    assert cell().is_attached


def test_an_update_that_is_not_finite_is_told_from_a_gradient_that_is_not():
    model = torch.nn.Linear(3, 2).half()
    session = greenplan.attach(model, torch.optim.AdamW(model.parameters()), budget=0.5)
    with pytest.raises(ValueError, match="its gradient and the update that the optimizer makes of it must be finite"):
        with session.step():
            (model(torch.zeros(1, 3).half()).sum() * 0).backward()


class TwoHeads(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = torch.nn.Linear(16, 16, bias=False), torch.nn.Linear(16, 4, bias=False)
        self.x = torch.randn(8, 16)

    def losses(self):
        return [head(self.x).square().mean() for head in (self.first, self.second)]


@pytest.mark.parametrize("scales", [False, True])
def test_a_loss_that_reaches_frozen_tensors_alone_beside_one_that_trains(scales):
    """The step trains, so it is not measured anew, and a scaler's stand-in does not take a real gradient away."""
    model = TwoHeads()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0, enabled=scales)
    session = greenplan.attach(model, optimizer, budget=0.4, budget_of="backward", scaler=scaler)
    for _ in range(6):
        before = model.second.weight.detach().clone()
        with session.step():
            for loss in model.losses():
                scaler.scale(loss).backward()
        assert session.plan.trainable == ("second.weight",)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        assert not torch.equal(before, model.second.weight)
    assert len(session.history) == 1
    assert not session.mismatches


class FusedHead(torch.autograd.Function):
    """Computes the gradient of its weight whether or not anybody wants it, as some fused losses do."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight.T

    @staticmethod
    def backward(ctx, gradient):
        x, weight = ctx.saved_tensors
        return gradient @ weight, gradient.flatten(0, -2).T @ x.flatten(0, -2)


class WithFusedHead(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second, self.head = (torch.nn.Linear(6, 6, bias=False) for _ in range(3))
        self.x, self.y = torch.randn(5, 6), torch.randint(6, (5,))

    def forward(self):
        return F.cross_entropy(FusedHead.apply(self.second(self.first(self.x).tanh()).tanh(), self.head.weight), self.y)


def test_a_head_that_computes_a_frozen_weights_gradient_is_refused_and_then_reported(caplog):
    model = WithFusedHead()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    session = greenplan.attach(model, optimizer, budget=0.8, budget_of="backward", never=["head.weight"])
    with pytest.raises(greenplan.Error, match='register_cost\\("FusedHeadBackward"'):
        with session.step():
            model().backward()
    assert all(parameter.requires_grad for parameter in model.parameters())

    def cost(shapes):
        product = 2 * 5 * 6 * 6
        return greenplan.NodeCost(forward=product, per_input=(product, product))

    greenplan.register_cost("FusedHeadBackward", cost)
    try:
        for _ in range(3):
            with session.step():
                model().backward()
            optimizer.step()
            optimizer.zero_grad()
    finally:
        greenplan.register_cost("FusedHeadBackward", None)
    entry = session.history[0]
    assert entry["executed_backward_flops"] - entry["predicted_backward_flops"] == 2 * 5 * 6 * 6
    assert len(session.mismatches) == 1
    assert (
        "executed by aten.mm" in session.mismatches[0] and "predicted for the backward of Mm" in session.mismatches[0]
    )
    assert caplog.text.count("backward did not execute what the plan predicts") == 1


class TwoTasks(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.trunk, self.one, self.other = torch.nn.Linear(6, 8), torch.nn.Linear(8, 3), torch.nn.Linear(8, 4)
        self.x = torch.randn(5, 6)

    def losses(self):
        hidden = self.trunk(self.x).tanh()
        return self.one(hidden).square().mean(), self.other(self.trunk(2 * self.x).tanh()).abs().mean()


def test_several_losses_of_one_step_are_priced_and_counted_together():
    model = TwoTasks()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    session = greenplan.attach(model, optimizer, budget=0.9, budget_of="backward", plan_every=2)
    for _ in range(4):
        with session.step():
            for loss in model.losses():
                loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    both = sum(
        greenplan.profile(loss, model.named_parameters()).cost([n for n, _ in model.named_parameters()]).backward_cost
        for loss in (model.requires_grad_(True).losses())
    )
    assert session.history[0]["full_backward_flops"] == both
    for entry in session.history:
        assert entry["executed_backward_flops"] == entry["predicted_backward_flops"]


def test_resume_counts_all_losses_of_a_step():
    def make():
        model = TwoTasks()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        return model, optimizer, greenplan.attach(model, optimizer, budget=0.9, budget_of="backward")

    def step(model, optimizer, session):
        with session.step():
            for loss in model.losses():
                loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    first, again = make(), make()
    step(*first)
    again[2].load_state_dict(first[2].state_dict())
    step(*again)
    entry = again[2].history[-1]
    assert entry["executed_backward_flops"] == entry["predicted_backward_flops"]
    assert not again[2].mismatches


def test_blocks_are_dropped_under_several_losses_of_one_step():
    model, optimizer, session = attached(method="drop", seed=2)
    of_steps = set()
    for _ in range(5):
        with session.step():
            for weight in (1.0, 0.5):
                (weight * model.loss()).backward()
        of_steps.add(frozenset(name for name, one in model.parameters.items() if one.grad is not None))
        optimizer.step()
        optimizer.zero_grad()
    assert len(of_steps) > 2
    assert session.history[0]["executed_backward_flops"] is not None
    assert not session.mismatches


def test_a_loss_without_a_graph_is_named():
    model, optimizer, session = attached()
    with pytest.raises(ValueError, match="loss does not require grad"):
        with session.step(), torch.no_grad():
            torch.autograd.backward(model.loss())
    assert all(flags(model).values())


def test_a_batch_that_changes_the_graph_is_reported_by_operator():
    class Branching(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.twice = torch.nn.Linear(6, 6), torch.nn.Linear(6, 6), False

        def forward(self, x):
            x = self.first(x)
            return (self.second(self.second(x)) if self.twice else self.second(x)).sum()

    model = Branching()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    session = greenplan.attach(model, optimizer, budget=1.0)
    for _ in range(2):
        with session.step():
            model(torch.ones(3, 6)).backward()
        model.twice = True
    assert len(session.mismatches) == 1
    assert "aten.mm" in session.mismatches[0]


class Switching(torch.nn.Module):
    """x + fc(x), where fc is applied twice if ``twice`` says so."""

    def __init__(self):
        super().__init__()
        self.embedding, self.fc, self.head = torch.nn.Linear(6, 5), torch.nn.Linear(5, 5), torch.nn.Linear(5, 4)
        self.twice = False

    def forward(self, x):
        x = self.embedding(x)
        branch = self.fc(x.tanh())
        return self.head(self.head(x + branch).tanh() @ self.head.weight if self.twice else x + branch).sum()


def run_of_switching(switched_at, draws, shape=lambda step: (3, 6), **options):
    """Steps of a model whose graph is another one from a step on; ``draws`` are the blocks that each drops."""
    model = Switching()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    session = greenplan.attach(model, optimizer, **options)
    for step, dropped in enumerate([(), *draws]):
        model.twice = step >= switched_at
        if step:
            session._rounds.planner.draw_blocks = lambda plan, number, dropped=dropped: dropped
        with session.step():
            model(torch.ones(*shape(step))).backward()
        optimizer.step()
        optimizer.zero_grad()
    return session


@pytest.mark.parametrize("options", [{"method": "drop", "budget": 0.9}, {"budget": 1.0}], ids=["drop", "selection"])
def test_later_steps_of_a_round_are_compared_too(options, caplog):
    for switched_at in (2, 3, 5):  # Steps 1, 2, 4 and 8 under the plan are compared.
        caplog.clear()
        session = run_of_switching(switched_at, [()] * 8, **options)
        assert len(session.mismatches) == 1
        assert caplog.text.count("did not execute what the plan predicts") == 1
    assert not run_of_switching(99, [()] * 8, **options).mismatches


def test_the_first_step_that_drops_a_block_is_compared():
    options = {"method": "drop", "budget": 0.9}
    assert not run_of_switching(3, [(), (), ()], **options).mismatches
    session = run_of_switching(3, [(), (), ("fc",)], **options)
    assert len(session.mismatches) == 1
    assert session.mismatches[0].endswith("; the step dropped fc")


def test_a_batch_of_the_profiles_shape_is_waited_for():
    session = run_of_switching(30, [()] * 32, lambda step: (3 if step in (0, 31) else 4, 6), budget=1.0)
    assert len(session.mismatches) == 1


class Skipping(torch.nn.Module):
    """Does without some of its layers, as layerdrop does, or a model whose batches are of several tasks."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(6, 6) for _ in range(4))
        self.skipped = 1

    def forward(self, x):
        for k, layer in enumerate(self.layers):
            x = x if k == self.skipped else x + layer(x).tanh()
        return x.square().mean()


@pytest.mark.parametrize("method", ["selection", "drop", "full"])
def test_what_only_later_losses_reach_is_told_and_then_planned(method, caplog):
    model = Skipping()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    budget = {} if method == "full" else {"budget": 0.9, "budget_of": "backward", "allocation": "uniform"}
    session = greenplan.attach(model, optimizer, method=method, plan_every=2, **budget)
    for step in range(5):
        model.skipped = 1 if step < 2 else None
        with session.step():
            model(torch.ones(3, 6)).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert "the loss does not reach layers.1.weight, layers.1.bias: no plan trains them unless" in caplog.text
    assert caplog.text.count("the loss now reaches layers.1.weight, layers.1.bias, as it did not when") == 1
    assert [entry["step"] for entry in session.history] == [0, 3]  # Step 2 has seen what was new.
    trained = [[name for name in entry["trainable"] if name.startswith("layers.1.")] for entry in session.history]
    assert not trained[0] and trained[1]
    assert session.history[1]["full_backward_flops"] == 2 * 3 * 36 * (2 * 4 - 1)
    assert session.history[1]["executed_backward_flops"] is not None
    assert not session.mismatches


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_model_that_is_compiled_after_attach_is_refused_in_the_next_round(is_whole):
    model, optimizer, session = attached(plan_every=2)
    for _ in range(2):
        train_step(model, optimizer, session)
    in_force = flags(model)
    part = model.model if is_whole else model.model.model.layers[1]
    part.compile(backend="eager")
    with pytest.raises(greenplan.Error, match="model is compiled by torch.compile"):
        with session.step():
            model.loss().backward()
    assert flags(model) == in_force


@pytest.mark.parametrize("steps, message", [(0, "another adapter than the optimizer has"), (1, "switch to another")])
def test_another_adapter_than_that_of_the_optimizer_is_told(steps, message):
    model, optimizer, session = with_adapters(plan_every=1)
    model.model.add_adapter("other", model.model.peft_config["default"])
    for _ in range(steps):
        train_step(model, optimizer, session)
    model.model.set_adapter("other")
    with pytest.raises(greenplan.Error, match=message):
        with session.step():
            model.loss().backward()


def test_weights_tied_after_attach_are_noticed(caplog):
    model, optimizer, session = attached(plan_every=1)
    train_step(model, optimizer, session)
    model.model.lm_head.weight = model.model.model.embed_tokens.weight
    train_step(model, optimizer, session)
    assert "gone: lm_head.weight" in caplog.text
    assert "lm_head.weight" not in session.profile.names
    train_step(model, optimizer, session)
    assert not session.mismatches


def test_parameters_added_after_attach_join_if_the_optimizer_has_them(caplog):
    model, optimizer, session = attached(plan_every=1)
    train_step(model, optimizer, session)
    layer = model.model.model.layers[1].mlp
    layer.up_proj.bias = torch.nn.Parameter(torch.zeros(20))
    layer.gate_proj.bias = torch.nn.Parameter(torch.zeros(20))
    optimizer.add_param_group({"params": [layer.up_proj.bias]})
    train_step(model, optimizer, session)
    assert "new: model.layers.1.mlp" in caplog.text
    assert "the optimizer lacks model.layers.1.mlp.gate_proj.bias" in caplog.text
    assert "model.layers.1.mlp.up_proj.bias" in session._execution.parameters.candidates
    assert "model.layers.1.mlp.gate_proj.bias" not in session.plan.trainable
    train_step(model, optimizer, session)


def test_a_model_that_is_moved_after_attach_goes_on(caplog):
    """Another type stands in for another device: both exchange the data of the parameters."""
    model, optimizer, session = attached(plan_every=1, attention="eager", optimizer=torch.optim.SGD)
    train_step(model, optimizer, session)
    model.model.double()
    train_step(model, optimizer, session)
    assert not caplog.records
    assert len(session.history) == 2


def test_a_model_whose_parameters_are_replaced_by_a_move_is_told_apart_from_its_optimizer():
    model, optimizer, session = attached(plan_every=1, attention="eager", optimizer=torch.optim.SGD)
    train_step(model, optimizer, session)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        model.model.double()
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)
    with pytest.raises(ValueError, match="parameters that the optimizer does not have"):
        with session.step():
            model.loss().backward()


@pytest.mark.parametrize("kind", ["AdamW8bit", "AdamW", "Adam8bit"])
def test_the_optimizers_of_bitsandbytes_are_replayed_bit_for_bit(kind):
    bitsandbytes = pytest.importorskip("bitsandbytes")
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(80, 90), torch.nn.Tanh(), torch.nn.Linear(90, 3))
    optimizer = getattr(bitsandbytes.optim, kind)(model.parameters(), lr=0.01, weight_decay=0.1)
    x = torch.randn(4, 80)
    for _ in range(3):
        model(x).square().sum().backward()
        next_update = greenplan.next_update.NextUpdate(optimizer)
        updates = [next_update(parameter, parameter.grad) for parameter in model.parameters()]
        old = [parameter.detach().clone() for parameter in model.parameters()]
        optimizer.step()
        optimizer.zero_grad()
        for parameter, before, update in zip(model.parameters(), old, updates, strict=True):
            assert torch.equal(parameter.detach() - before, update)
    session = greenplan.attach(model, optimizer, budget=0.8)
    for _ in range(2):
        with session.step():
            model(x).square().sum().backward()
        old = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
        optimizer.step()
        optimizer.zero_grad()
        for name, parameter in model.named_parameters():
            assert torch.equal(old[name], parameter) == (name not in session.plan.trainable)


def with_two_adapters(are_both_attached, **options):
    """LoRA adapters "default", which is active, and "other", of one optimizer."""
    base = hf_models.build("llama", "sdpa")
    config = peft.LoraConfig(r=3, target_modules="all-linear", task_type="CAUSAL_LM")
    model = hf_models.HfModel(peft.get_peft_model(base.model, config).train(), base.batch)
    model.model.add_adapter("other", config)
    adapters = [parameter for name, parameter in model.parameters.items() if "lora_" in name]
    optimizer = torch.optim.AdamW(adapters, lr=0.01)
    for parameter in adapters:
        parameter.requires_grad_(True)
    if not are_both_attached:
        model.model.set_adapter("default")
    options = {"budget": 0.6, "budget_of": "backward", "plan_every": 9, **options}
    session = greenplan.attach(model.model, optimizer, **options)
    model.model.set_adapter("default")
    return model, optimizer, session


@pytest.mark.parametrize("are_both_attached", [True, False])
@pytest.mark.parametrize("method", ["selection", "drop", "joint"])
def test_an_adapter_that_is_switched_on_within_a_round_is_measured_and_planned(are_both_attached, method, caplog):
    model, optimizer, session = with_two_adapters(are_both_attached, method=method, seed=2)
    for step in range(8):
        if step == 3:
            model.model.set_adapter("other")
        with session.step():
            loss = model.loss()
            executed = count(loss.backward) if loss.requires_grad else loss.backward() or 0
            is_measured = session._is_probing
        if not is_measured and step != 3:
            assert executed == session._execution.applied._predicted(session._execution.applied.dropped)
        optimizer.step()
        optimizer.zero_grad()
    if are_both_attached:  # Flags are put back, so that a step is lost; the next one sees what the loss reaches.
        assert caplog.text.count("the loss of step 3 does not reach any tensor that the plan trains") == 1
        assert "trains nothing; the next one measures" in caplog.text
    else:
        assert "no longer frozen: base_model.model.model.layers.0.self_attn.q_proj.lora_A.other" in caplog.text
    assert session.plan.trainable and all(".other." in name for name in session.plan.trainable)
    assert not session.mismatches


@pytest.mark.parametrize("budget", [0.999, 1.0])
def test_a_layer_that_is_skipped_after_it_was_planned_is_told(budget, caplog):
    model = Skipping()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    session = greenplan.attach(model, optimizer, budget=budget, pinned=["layers.1.weight"])
    for step in range(6):
        model.skipped = 1 if step in (3, 4) else None
        with session.step():
            model(torch.ones(3, 6)).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert caplog.text.count("the loss of step 3 does not reach layers.1.weight") == 1
    assert "executes less than the plan predicts" in caplog.text
    assert len(session.history) == 1


def test_a_separate_probe_is_told_that_tensors_were_thawed(caplog):
    model = hf_models.build("llama")
    layer = [one for name, one in model.parameters.items() if ".layers.0." in name]
    optimizer = torch.optim.AdamW(model.model.parameters(), lr=0.01)
    for one in layer:
        one.requires_grad_(False)
    session = greenplan.attach(model.model, optimizer, budget=0.9, probe="separate")
    session.begin_round(model.loss)
    for step in range(3):
        if step == 1:
            for one in layer:
                one.requires_grad_(True)
        train_step(model, optimizer, session)
    assert caplog.text.count("have come to require grad since the plan was made") == 1
    session.begin_round(model.loss)
    assert any(".layers.0." in name for name in session.plan.trainable)
