"""A session in a plain loop."""

from __future__ import annotations

import copy
import gc

import pytest
import torch

import greenplan
import hf_models
from flops import count
from greenplan._session_planner import SessionPlanner
from greenplan.plotting import plot_history
from test_remote import daemon


def attached(family="llama", optimizer=torch.optim.AdamW, attention="sdpa", **options):
    model = hf_models.build(family, attention)
    options = {"budget": 0.5, "budget_of": "backward", **options}
    optimizer = optimizer(model.model.parameters(), lr=0.01)
    return model, optimizer, greenplan.attach(model.model, optimizer, **options)


def train_step(model, optimizer, session):
    with session.step():
        model.loss().backward()
    optimizer.step()
    optimizer.zero_grad()


def flags(model):
    return {name: parameter.requires_grad for name, parameter in model.parameters.items()}


def test_the_plan_of_the_first_step_holds_from_its_optimizer_step_on():
    model, optimizer, session = attached()
    assert all(flags(model).values())
    before = {name: parameter.detach().clone() for name, parameter in model.parameters.items()}
    for _ in range(3):
        train_step(model, optimizer, session)
    trained = set(session.plan.trainable)
    assert 0 < len(trained) < len(before)
    for name, parameter in model.parameters.items():
        assert torch.equal(before[name], parameter) == (name not in trained), name
        assert parameter.requires_grad == (name in trained)
    latest = session.history[-1]
    assert latest["executed_backward_flops"] == latest["predicted_backward_flops"]
    assert latest["predicted_backward_flops"] <= 0.5 * latest["full_backward_flops"]


@pytest.mark.parametrize(
    "optimizer, options",
    [
        (torch.optim.AdamW, {"fused": True, "weight_decay": 0.1}),
        (torch.optim.Adam, {"foreach": True, "weight_decay": 0.1}),
        (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1}),
        (torch.optim.RMSprop, {"momentum": 0.9}),
        (torch.optim.Adagrad, {}),
    ],
)
def test_a_frozen_tensor_does_not_change_by_one_bit_when_gradients_are_filled_with_zeros(optimizer, options):
    model = hf_models.build("llama")
    optimizer = optimizer(model.model.parameters(), lr=0.01, **options)
    for _ in range(2):  # Momentum and decay are there before anything is frozen.
        model.loss().backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
    session = greenplan.attach(model.model, optimizer, budget=0.5)
    before = {name: parameter.detach().clone() for name, parameter in model.parameters.items()}
    for _ in range(3):
        with session.step():
            model.loss().backward()
        for parameter in model.parameters.values():  # As an optimizer that fills with zeros, or DDP, may leave it.
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
    frozen = set(model.parameters) - set(session.plan.trainable)
    assert frozen
    for name in frozen:
        assert torch.equal(before[name], model.parameters[name]), name


def test_a_loop_without_plans_is_the_same_bit_for_bit():
    """Method full, and the steps up to the first plan."""
    results = []
    for with_session in (False, True):
        model = hf_models.build("llama", "sdpa")
        optimizer = torch.optim.AdamW(model.model.parameters(), lr=0.01)
        session = greenplan.attach(model.model, optimizer, method="full")
        for _ in range(3):
            with session.step() if with_session else torch.enable_grad():
                model.loss().backward()
            optimizer.step()
            optimizer.zero_grad()
        results.append({name: parameter.detach().clone() for name, parameter in model.parameters.items()})
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


def test_thawed_tensors_get_gradients_in_the_next_round():
    model, optimizer, session = attached(plan_every=2)
    for _ in range(2):
        train_step(model, optimizer, session)
    frozen = [name for name, live in flags(model).items() if not live]
    assert frozen
    with session.step():  # The round's first step measures.
        model.loss().backward()
        assert all(parameter.grad is not None for parameter in model.parameters.values())
    assert len(session.history) == 2
    assert [entry["round"] for entry in session.history] == [0, 1]


def test_micro_batches_count_as_one_step_and_flags_stay_within_it():
    model, optimizer, session = attached(plan_every=1)
    for _ in range(3):
        with session.step():
            for _ in range(3):
                now = flags(model)
                model.loss().backward()
                assert flags(model) == now
        optimizer.step()
        optimizer.zero_grad()
    assert session.steps == len(session.history) == 3
    assert session.profile.forward_cost == count(lambda: model.loss())


def test_importance_under_accumulation_is_that_of_the_summed_gradient():
    values = []
    for parts in (1, 2):
        model, optimizer, session = attached()
        with session.step():
            for _ in range(parts):
                (model.loss() / parts).backward()
        values.append(session.history[0]["value"])
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_drop_draws_blocks_anew_in_each_step_and_executes_what_is_predicted():
    model, optimizer, session = attached(method="drop", budget=0.6)
    drawn = []
    original = session._measuring.step
    for step in range(8):
        with session.step():
            loss = model.loss()
            if step:
                executed = count(loss.backward)
                drawn.append(executed)
            else:
                loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert original is None
    assert len(set(drawn)) > 1
    latest = session.history[-1]
    assert latest["steps"] == 7
    assert latest["predicted_backward_flops"] == sum(drawn) / 7
    assert set(session.plan.trainable) == set(session.profile.trainable_names)


def test_a_tensor_of_a_dropped_block_is_passed_over_in_that_step():
    model, optimizer, session = attached(method="drop", budget=0.6)
    train_step(model, optimizer, session)
    session._rounds.planner.draw_blocks = lambda plan, step: ["model.layers.1.mlp"]
    before = {name: parameter.detach().clone() for name, parameter in model.parameters.items()}
    steps = {name: float(optimizer.state[parameter]["step"]) for name, parameter in model.parameters.items()}
    train_step(model, optimizer, session)
    for name, parameter in model.parameters.items():
        in_block = name.startswith(("model.layers.1.mlp.", "model.layers.1.post_attention_layernorm."))
        assert torch.equal(before[name], parameter) == in_block, name
        assert float(optimizer.state[parameter]["step"]) == steps[name] + (0 if in_block else 1)


def test_a_tensor_of_a_dropped_block_is_passed_over_though_a_loop_fills_its_gradient_with_zeros():
    model, optimizer, session = attached(method="drop", allocation="uniform")
    passed_over = 0
    for _ in range(6):
        before = {name: parameter.detach().clone() for name, parameter in model.parameters.items()}
        with session.step():
            model.loss().backward()
        blocks = session._measuring.step.blocks
        modules = [module for block in session._execution.applied.dropped for module in blocks.modules[block]]
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)
        for name, parameter in model.parameters.items():
            is_dropped = any(name.startswith(f"{module}.") for module in modules)
            assert torch.equal(before[name], parameter) == is_dropped, name
            passed_over += is_dropped
    assert passed_over


@pytest.mark.parametrize("trains_in_evaluation_mode", [False, True])
def test_a_micro_batch_draws_blocks_if_it_records_gradients(trains_in_evaluation_mode):
    """Not where a reference model's pass runs in between, without gradients."""
    model, optimizer, session = attached(method="drop", allocation="uniform", draw_per="micro-batch")
    if trains_in_evaluation_mode:
        model.model.eval()
    train_step(model, optimizer, session)
    for _ in range(3):
        with session.step():
            for _ in range(2):
                loss = model.loss()
                with torch.no_grad():
                    model.loss()
                loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    latest = session.history[-1]
    assert latest["steps"] == 6
    assert latest["predicted_backward_flops"] < latest["full_backward_flops"]
    assert not session.mismatches


def test_micro_batches_may_have_draws_of_their_own():
    model, optimizer, session = attached(method="drop", budget=0.6, draw_per="micro-batch")
    train_step(model, optimizer, session)
    asked = []
    session._rounds.planner.draw_blocks = lambda plan, step: asked.append(step) or list(session.profile.blocks)[:step]
    with session.step():
        for _ in range(3):
            model.loss().backward()
        model.model.eval()
        with torch.no_grad():
            model.loss()
        model.model.train()
    assert asked == [0, 1, 2]
    assert session.history[-1]["steps"] == 3


def test_a_step_in_which_nothing_is_left_to_train_does_nothing():
    model, optimizer, session = attached(method="joint", budget=0.3)
    train_step(model, optimizer, session)
    inside = [name for name in model.parameters if name.startswith("model.layers.1.mlp.")]
    session._execution.applied.may_drop = True
    session._execution.parameters.set_live(inside)
    session._execution.applied.live = tuple(inside)
    session._rounds.planner.draw_blocks = lambda plan, step: list(session.profile.blocks)
    before = {name: parameter.detach().clone() for name, parameter in model.parameters.items()}
    train_step(model, optimizer, session)
    assert all(torch.equal(before[name], parameter) for name, parameter in model.parameters.items())


def test_joint_plans_both_and_keeps_to_the_budget():
    model, optimizer, session = attached(method="joint", budget=0.5)
    for _ in range(4):
        train_step(model, optimizer, session)
    latest = session.history[-1]
    assert latest["expected_backward_flops"] <= 0.5 * latest["full_backward_flops"]
    assert latest["executed_backward_flops"] is not None
    assert not session._execution.applied.mismatch()


def test_a_separate_probe_plans_before_the_first_step_and_leaves_all_as_it_was():
    model, optimizer, session = attached(probe="separate")
    with pytest.raises(greenplan.Error, match="no round has begun"):
        with session.step():
            pass
    with pytest.raises(ValueError, match="loss_fn is missing"):
        session.begin_round()
    with pytest.raises(ValueError, match="loss_fn is an empty list"):
        session.begin_round([])
    train = {name: parameter.detach().clone() for name, parameter in model.parameters.items()}
    state, random = copy.deepcopy(optimizer.state_dict()), torch.get_rng_state()
    session.begin_round(model.loss)
    assert session.plan.trainable
    assert flags(model) == {name: name in session.plan.trainable for name in model.parameters}
    assert all(torch.equal(train[name], parameter) for name, parameter in model.parameters.items())
    assert all(parameter.grad is None for parameter in model.parameters.values())
    assert optimizer.state_dict()["state"] == state["state"] == {}
    assert torch.equal(random, torch.get_rng_state())
    train_step(model, optimizer, session)
    assert session.history[0]["executed_backward_flops"] == session.history[0]["predicted_backward_flops"]


def test_a_separate_probe_begins_no_round_by_a_number_of_steps():
    with pytest.raises(ValueError, match=r"plan_every is 4 .* call begin_round\(loss_fn\) every 4 steps") as raised:
        attached(probe="separate", plan_every=4)
    assert raised.value.field == "plan_every"


def test_a_separate_probe_leaves_buffers_and_random_numbers_as_they_were():
    torch.manual_seed(0)
    norm = torch.nn.BatchNorm1d(6)
    model = torch.nn.Sequential(torch.nn.Linear(6, 6), norm, torch.nn.Dropout(0.2), torch.nn.Linear(6, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    session = greenplan.attach(model, optimizer, budget=0.9, probe="separate")
    x, before, random = torch.randn(5, 6), copy.deepcopy(norm.state_dict()), torch.get_rng_state()
    session.begin_round([lambda: model(x).square().sum(), lambda: model(2 * x).square().sum()])
    assert session.plan.trainable
    assert all(torch.equal(before[name], buffer) for name, buffer in norm.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())


def test_a_separate_probe_whose_loss_raises_leaves_the_plan_in_force():
    def raises():
        raise RuntimeError("my own")

    model, optimizer, session = attached(probe="separate")
    session.begin_round(model.loss)
    in_force = flags(model)
    with pytest.raises(RuntimeError, match="my own"):
        session.begin_round(raises)
    assert flags(model) == in_force and not all(in_force.values())


@pytest.mark.parametrize("error", [KeyboardInterrupt, greenplan.Error("refused", code="ALREADY_EXISTS")])
def test_a_separate_round_that_cannot_be_planned_leaves_the_plan_in_force(error):
    model, optimizer, session = attached(probe="separate")
    session.begin_round(model.loss)
    train_step(model, optimizer, session)
    before, plan = flags(model), session.plan

    def fail(*_):
        raise error

    session._rounds.planner.plan = fail
    with pytest.raises((KeyboardInterrupt, greenplan.Error)):
        session.begin_round(model.loss)
    assert flags(model) == before
    assert session.plan is plan
    train_step(model, optimizer, session)
    assert not session.mismatches


def test_the_loss_of_another_model_is_not_taken_for_the_models():
    model, optimizer, session = attached()
    other = hf_models.build("gpt2", "sdpa")
    for _ in range(3):
        with session.step():
            loss, of_other = model.loss(), other.loss()
            of_other.backward()
            loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert not session.mismatches
    assert session.history[-1]["executed_backward_flops"] == session.history[-1]["predicted_backward_flops"]


def test_a_step_whose_backward_fails_is_abandoned_also_if_the_loop_goes_on():
    model, optimizer, session = attached(method="drop", allocation="uniform")
    for measures in (True, False):
        for _ in range(2):
            with session.step():
                loss = model.loss()
                with pytest.raises(RuntimeError, match="shape mismatch|Mismatch in shape"):
                    loss.backward(torch.ones(3))
        assert session.steps == (0 if measures else 1)
        train_step(model, optimizer, session)
    assert session.history[-1]["steps"] == 1


def test_executed_and_predicted_are_compared_in_the_first_step_of_the_profiles_shapes():
    model, optimizer, session = attached()
    train_step(model, optimizer, session)
    whole = dict(model.batch)
    for rows, is_compared in ((1, False), (2, True)):
        model.batch.update({key: value[:rows] for key, value in whole.items()})
        train_step(model, optimizer, session)
        assert (session.history[0]["executed_backward_flops"] is not None) == is_compared
    assert not session.mismatches


def test_the_separate_and_the_in_step_probe_make_the_same_plan():
    plans = []
    for separate in (False, True):
        model, optimizer, session = attached()
        if separate:
            session.begin_round(model.loss)
        train_step(model, optimizer, session)
        plans.append(session.plan)
    assert plans[0].digest == plans[1].digest
    assert plans[0].value == plans[1].value


def test_a_separate_probe_measures_sensitivity_for_drop_rates():
    model, optimizer, session = attached(method="drop", budget=0.6)
    session.begin_round(model.loss)
    assert set(session._measuring.sensitivity) == set(session.profile.blocks)
    assert all(value > 0 for value in session._measuring.sensitivity.values())
    assert len(set(session.plan.drop_rates.values())) > 1
    train_step(model, optimizer, session)
    assert session.history[0]["executed_backward_flops"] is not None
    assert not session._execution.applied.mismatch()


def rates(entry):
    return set(entry["drop_rates"].values())


@pytest.mark.parametrize("method", ["drop", "joint"])
def test_a_step_measures_the_sensitivity_that_a_separate_probe_measures(method):
    plans, measured = [], []
    for separate in (False, True):
        model, optimizer, session = attached(method=method, budget=0.6)
        if separate:
            session.begin_round(model.loss)
        train_step(model, optimizer, session)
        plans.append(session.plan)
        measured.append(session._measuring.sensitivity)
    assert measured[0].keys() == set(session.profile.blocks)
    assert measured[0] == pytest.approx(measured[1])
    assert plans[0].trainable == plans[1].trainable
    assert plans[0].drop_rates == pytest.approx(plans[1].drop_rates)
    assert len(set(plans[0].drop_rates.values())) > 1


def test_what_a_step_measures_does_not_change_what_it_trains():
    """Both plans drop at one rate: here with the sensitivity measured in vain."""
    weights = []
    for allocation in (None, "uniform"):
        options = {"min_drop_rate": 0.5, "max_drop_rate": 0.5} if allocation is None else {"allocation": allocation}
        model, optimizer, session = attached("bert", method="drop", budget=0.6, attention="eager", **options)
        torch.manual_seed(4)
        train_step(model, optimizer, session)
        assert bool(session._measuring.sensitivity) == (allocation is None)
        weights.append([parameter.detach().clone() for parameter in model.parameters.values()])
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))


def test_rates_are_uniform_for_a_share_of_all_steps():
    model, optimizer, session = attached(method="drop", budget=0.6, total_steps=21, uniform_until=0.15)
    for _ in range(6):
        train_step(model, optimizer, session)
    assert [entry["step"] for entry in session.history] == [0, 4]
    first, second = map(rates, session.history)
    assert len(first) == 1 < len(second)
    session.begin_round()
    train_step(model, optimizer, session)
    assert session.history[-1]["step"] == 6
    assert len(rates(session.history[-1])) > 1


def test_rates_stay_uniform_if_one_asks_for_that():
    model, optimizer, session = attached(method="drop", budget=0.6, total_steps=10, allocation="uniform")
    for _ in range(4):
        train_step(model, optimizer, session)
    assert [entry["step"] for entry in session.history] == [0]
    assert len(rates(session.history[0])) == 1


def test_resume_before_rates_are_allocated_goes_on_bit_for_bit():
    def run(resumes):
        model, optimizer, session = attached(method="drop", budget=0.6, total_steps=30)
        for step in range(5):
            if resumes and step == 2:
                state = copy.deepcopy((model.model.state_dict(), optimizer.state_dict(), session.state_dict()))
                model, optimizer, session = attached(method="drop", budget=0.6, total_steps=30)
                for part, of_part in zip((model.model, optimizer, session), state, strict=True):
                    part.load_state_dict(of_part)
            train_step(model, optimizer, session)
        return session.history, [parameter.detach() for parameter in model.parameters.values()]

    (history, weights), (expected, expected_weights) = run(True), run(False)
    assert [entry["digest"] for entry in history] == [entry["digest"] for entry in expected]
    assert [entry["step"] for entry in history] == [0, 3]
    assert all(torch.equal(one, other) for one, other in zip(weights, expected_weights, strict=True))


def test_warm_up_rounds_train_everything_before_the_first_plan():
    model, optimizer, session = attached(plan_every=2, warmup_rounds=2)
    for step in range(6):
        before = {name: parameter.detach().clone() for name, parameter in model.parameters.items()}
        train_step(model, optimizer, session)
        moved = {name for name, parameter in model.parameters.items() if not torch.equal(before[name], parameter)}
        assert (len(moved) == len(before)) == (step < 4)
    assert [(entry["round"], entry["step"]) for entry in session.history] == [(0, 4)]
    with pytest.raises(greenplan.Error, match="no round has begun"):
        attached(probe="separate", warmup_rounds=1)[2].begin_step()
    model, optimizer, session = attached(probe="separate", warmup_rounds=1)
    session.begin_round(model.loss)
    train_step(model, optimizer, session)
    assert session.history == []
    session.begin_round(model.loss)
    assert len(session.history) == 1


@pytest.mark.parametrize(
    "options, message",
    [
        ({"warmup_rounds": -1}, "warmup_rounds is -1; allowed: an integer >= 0"),
        ({"total_steps": 0}, "total_steps is 0; allowed: an integer >= 1"),
        ({"uniform_until": 1.5, "total_steps": 3}, "uniform_until is 1.5; allowed: a number from 0 to 1"),
        ({"uniform_until": 0.2}, "uniform_until is 0.2, a share of all steps, .*give total_steps"),
        ({"uniform_untill": 0.2}, 'did you mean "uniform_until"'),
    ],
)
def test_refuses_schedules_that_are_none(options, message):
    with pytest.raises(ValueError, match=message):
        attached(method="drop", **options)


def test_two_batches_make_the_importance_cross_fitted():
    model, optimizer, session = attached()
    other = {key: value.roll(1, 0) for key, value in model.batch.items()}
    other["labels"] = (other["labels"] + 5) % hf_models.VOCABULARY
    seen = []
    plan = SessionPlanner.plan
    session.begin_round([model.loss, lambda: model.model(**other).loss])
    planner = session._rounds.planner
    planner.plan = lambda measurements, pinned: seen.append(measurements) or plan(planner, measurements, pinned)
    session.begin_round([model.loss, lambda: model.model(**other).loss])
    assert set(seen[0].standard_error) == set(seen[0].importance) == set(model.parameters)
    with pytest.raises(ValueError, match="needs a list of two or more"):
        attached(metric="cross_fitted")[2].begin_round(model.loss)


def test_without_cross_fitting_several_batches_give_their_mean():
    values = []
    for batches in (1, 3):
        model, optimizer, session = attached(metric="gradient_times_update")
        session.begin_round([model.loss] * batches)
        values.append(session.plan.value)
    assert values[0] == pytest.approx(values[1])


def test_pinned_tensors_train_and_never_does_not():
    model, optimizer, session = attached(pinned=["model.norm.weight"], never=["lm_head.weight"], plan_every=1)
    for _ in range(2):
        with session.step():
            model.loss().backward()
            if session.steps:  # Once the profile is known, the head is not even measured.
                assert model.parameters["lm_head.weight"].grad is None
        assert "model.norm.weight" in session.plan.trainable
        assert "lm_head.weight" not in session.plan.trainable
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("options", [{"warmup_rounds": 1, "plan_every": 2}, {}], ids=["warm-up", "not measured"])
def test_what_never_trains_does_not_before_the_first_plan_either(options):
    model, optimizer, session = attached(never=["lm_head.weight"], **options)
    before = {name: parameter.detach().clone() for name, parameter in model.parameters.items()}
    with session.step():
        model.loss().backward()
        if not options:
            model.parameters["model.norm.weight"].grad[0] = torch.inf
    assert session.plan is None
    model.parameters["model.norm.weight"].grad = None
    optimizer.step()
    moved = {name for name, parameter in model.parameters.items() if not torch.equal(before[name], parameter)}
    assert moved == before.keys() - {"lm_head.weight", "model.norm.weight"}


@pytest.mark.parametrize("policy, keeps", [("keep", True), ("offload", True), ("drop", False)])
def test_the_optimizers_state_of_frozen_tensors(policy, keeps):
    model, optimizer, session = attached(optimizer_state=policy)
    for parameter in model.parameters.values():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    optimizer.zero_grad()
    train_step(model, optimizer, session)
    for name, parameter in model.parameters.items():
        is_trained = name in session.plan.trainable
        assert (parameter in optimizer.state) == (keeps or is_trained)
        if parameter in optimizer.state:
            assert float(optimizer.state[parameter]["step"]) == (2 if is_trained else 1)


def test_offloaded_state_is_back_wherever_its_tensor_may_be_stepped():
    """Seen by what is asked to move, as there is one device here."""
    moved = []
    model, optimizer, session = attached(optimizer_state="offload", plan_every=2)
    session._execution.state._move = lambda parameter, source, target: moved.append((parameter, target))
    session._execution.state._host = host = torch.device("meta")
    everything, on_device = set(model.parameters.values()), torch.device("cpu")

    def moves():
        last = dict(moved)
        moved.clear()
        return {target: {p for p in last if last[p] == target} for target in (host, on_device)}

    train_step(model, optimizer, session)
    live = {model.parameters[name] for name in session.plan.trainable}
    assert moves() == {host: everything - live, on_device: live}
    train_step(model, optimizer, session)
    session.begin_step()  # It measures: any tensor may be in the plan that follows.
    assert moves()[on_device] == everything
    session.abandon_step()
    session.detach()
    assert moves()[on_device] == everything


def test_plots_what_each_round_has_trained():
    pytest.importorskip("matplotlib").use("agg")
    model, optimizer, session = attached(plan_every=2, method="joint", budget=0.5)
    with pytest.raises(greenplan.Error, match="no round to draw yet"):
        session.plot()
    for _ in range(4):
        train_step(model, optimizer, session)
    axes = session.plot()
    drawn = axes.images[0].get_array()
    assert drawn.shape == (len(session.profile.names), 2)
    for column, entry in enumerate(session.history):
        for row, name in enumerate(session.profile.names):
            assert (drawn[row, column] > 0) <= (name in entry["trainable"])
    block = next(name for name, rate in session.plan.drop_rates.items() if 0 < rate < 1)
    inside = [name.startswith(f"{block}.") and name in session.plan.trainable for name in session.profile.names]
    assert drawn[inside.index(True), 1] == pytest.approx(1 - session.plan.drop_rates[block])
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "2"]
    assert "2 rounds" in axes.get_title()
    many = plot_history(session.profile, [dict(session.history[0], step=step) for step in range(40)])
    assert [label.get_text() for label in many.get_xticklabels()] == [str(step) for step in range(0, 40, 4)]
    assert "in 1 round" in plot_history(session.profile, session.history[:1]).get_title()


def test_a_session_says_what_it_is():
    model, optimizer, session = attached()
    train_step(model, optimizer, session)
    assert repr(session) == "Session(LlamaForCausalLM: method selection, budget 0.5 of backward, 1 rounds, 1 steps)"
    session.detach()
    assert repr(session).endswith(", 1 steps, detached)")


def test_detach_lets_the_model_be_as_it_was():
    model, optimizer, session = attached(method="joint", budget=0.5)
    model.parameters["model.norm.weight"].requires_grad_(True)
    hooks = lambda: sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.model.modules())  # noqa: E731
    assert hooks() == 0
    backward = torch.autograd.backward
    for _ in range(2):
        train_step(model, optimizer, session)
    session.detach()
    session.detach()
    assert all(flags(model).values())
    assert hooks() == 0
    assert torch.autograd.backward is backward
    assert not optimizer._optimizer_step_pre_hooks
    with pytest.raises(greenplan.Error, match="detached; attach again"):
        session.begin_round()


def test_resume_goes_on_bit_for_bit():
    def run(resume_at):
        model, optimizer, session = attached(method="joint", budget=0.5, plan_every=3)
        losses = []
        for step in range(7):
            if step == resume_at:
                saved = copy.deepcopy((model.model.state_dict(), optimizer.state_dict(), session.state_dict()))
                model, optimizer, session = attached(method="joint", budget=0.5, plan_every=3)
                model.model.load_state_dict(saved[0])
                optimizer.load_state_dict(saved[1])
                session.load_state_dict(saved[2])
            with session.step():
                loss = model.loss()
                losses.append(float(loss.detach()))
                if loss.requires_grad:
                    loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        return losses, session.history

    expected, history = run(None)
    for resume_at in (1, 3, 5):
        losses, resumed = run(resume_at)
        assert losses == expected
        for key in ("digest", "steps", "predicted_backward_flops"):
            assert [entry[key] for entry in resumed] == [entry[key] for entry in history]


def test_what_a_round_has_executed_is_known_after_a_resume_at_its_end():
    first = attached()
    for _ in range(2):
        train_step(*first)
    again = resumed(state_of(*first), attached)
    assert again[2].history == first[2].history
    assert again[2].history[0]["executed_backward_flops"] is not None


def resumed(saved, make):
    model, optimizer, session = make()
    for part, of_part in zip((model.model, optimizer, session), copy.deepcopy(saved), strict=True):
        part.load_state_dict(of_part)
    return model, optimizer, session


def state_of(model, optimizer, session):
    return copy.deepcopy((model.model.state_dict(), optimizer.state_dict(), session.state_dict()))


def test_resume_goes_on_with_the_draws_of_micro_batches():
    def make():
        return attached(method="drop", budget=0.6, draw_per="micro-batch", allocation="uniform")

    def asked_in_a_step_of_two(model, optimizer, session):
        asked = []
        session._rounds.planner.draw_blocks = lambda plan, number: asked.append(number) or []
        with session.step():
            for _ in range(2):
                model.loss().backward()
        return asked

    model, optimizer, session = make()
    train_step(model, optimizer, session)
    assert asked_in_a_step_of_two(model, optimizer, session) == [0, 1]
    assert asked_in_a_step_of_two(*resumed(state_of(model, optimizer, session), make)) == [2, 3]


def test_resume_goes_on_with_warm_up_rounds_and_rounds_of_so_many_steps():
    def make():
        return attached(plan_every=2, warmup_rounds=1)

    def planned_at(run, steps):
        for _ in range(steps):
            train_step(*run)
        return [entry["step"] for entry in run[2].history]

    for at in range(6):
        first = make()
        planned_at(first, at)
        again = resumed(state_of(*first), make)
        assert planned_at(again, 6 - at) == [2, 4], at


def test_resume_into_another_model_is_refused_by_name():
    model, optimizer, session = attached()
    train_step(model, optimizer, session)
    other = attached("llama-tied")[2]
    with pytest.raises(greenplan.Error, match="another model: it differs in model.layers.0.self_attn.q_proj.bias"):
        other.load_state_dict(session.state_dict())
    with pytest.raises(greenplan.Error, match="version of the session's state is 7"):
        other.load_state_dict({"version": 7})
    assert other.steps == 0
    assert other._schedule.is_due


@pytest.mark.parametrize(
    "options, message",
    [
        ({"budget": 0}, r"budget is 0; allowed: a share of backward in \(0, 1\]"),
        ({"budget": 1.5}, "budget is 1.5"),
        ({"budget": float("nan")}, "budget is nan"),
        ({"budget": 0.5, "budget_of": "absolute"}, "budget is 0.5; allowed: an integer > 0"),
        ({"budget": None, "method": "drop"}, 'budget is missing; method "drop" needs one'),
        ({"method": "full"}, 'budget is 0.5; method "full" takes none'),
        ({"method": "select"}, r'method is "select"; allowed: .* \(did you mean "selection"\?\)'),
        ({"budget_off": 1}, r'did you mean "budget_of"\?'),
        ({"plan_every": 0}, "plan_every is 0"),
        ({"plan_every": "step"}, "plan_every is \"?'?step"),
        ({"pinned": ["lm_head"]}, r'pinned is "lm_head".*did you mean "lm_head.weight"'),
        ({"pinned": "lm_head.weight"}, "pinned is the string"),
        ({"pinned": 5}, "pinned is 5; allowed: a list of names"),
        (
            {"pinned": ["lm_head.weight"], "never": ["lm_head.weight"]},
            'never is "lm_head.weight", which is pinned, too',
        ),
        (
            {"mean_drop_rate": 0.5, "budget": None},
            'mean_drop_rate is 0.5 with method "selection"; allowed: with method',
        ),
        ({"job": 5}, "job is 5; allowed: a text"),
        ({"scaler": 3}, "scaler is int; allowed: a torch.amp.GradScaler"),
        ({"never": "lm_head.weight"}, "never is the string"),
        ({"optimizer_state": "lose"}, 'optimizer_state is "lose"'),
        ({"seed": -1}, "seed is -1"),
        ({"planner": "nowhere"}, 'planner is "nowhere"; allowed: "local" or "HOST:PORT"'),
        ({"planner": 7437}, "planner is 7437; allowed"),
        ({"planner": {"address": "a:1", "tls": "ca.pem"}}, 'planner is "tls".*did you mean "tls_ca"'),
    ],
    ids=str,
)
def test_bad_arguments_are_named_with_what_is_allowed(options, message):
    model = hf_models.build("llama")
    optimizer = torch.optim.AdamW(model.model.parameters())
    with pytest.raises(ValueError, match=message):
        greenplan.attach(model.model, optimizer, **{"budget": 0.5, "budget_of": "backward", **options})
    assert all(flags(model).values())
    assert not optimizer._optimizer_step_pre_hooks


def test_what_is_no_model_is_named():
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="model is generator; allowed: a torch.nn.Module"):
        greenplan.attach(model.parameters(), optimizer, budget=0.5)
    with pytest.raises(ValueError, match="model is SGD; allowed: a torch.nn.Module"):
        greenplan.attach(optimizer, model, budget=0.5)


def failing(code):
    def plan(*_):
        raise greenplan.Error("planner is away", code=code, field="planner")

    return plan


def test_a_planner_that_fails_leaves_the_model_as_it_was():
    class Away(SessionPlanner):
        plan = failing("UNAVAILABLE")

    model, optimizer, session = attached(planner=Away, never=["lm_head.weight"])
    for _ in range(2):  # The second step knows the profile, and measures without what is never trained.
        with pytest.raises(greenplan.Error, match="planner is away"):
            with session.step():
                model.loss().backward()
        assert all(flags(model).values())


@pytest.mark.parametrize("code", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "NOT_FOUND", "UNAUTHENTICATED", "INTERNAL"])
def test_a_planner_that_goes_away_later_leaves_the_last_plan(code, caplog):
    """As when it is down, or has lost the job, or the token has expired."""
    model, optimizer, session = attached(plan_every=1)
    train_step(model, optimizer, session)
    digest = session.plan.digest
    session._rounds.planner.plan = failing(code)
    train_step(model, optimizer, session)
    assert session.plan.digest == digest
    assert "no new plan for round 1 (planner is away); training goes on with the last plan" in caplog.text


def test_a_planner_that_stays_away_is_asked_less_and_less_often(caplog):
    """Each call may take half a minute."""
    model, optimizer, session = attached(plan_every=1)
    train_step(model, optimizer, session)
    planner, asked = session._rounds.planner, []
    plan = planner.plan

    def away(measurements, pinned_rates):
        asked.append(measurements.step)
        return failing("UNAVAILABLE")()

    planner.plan = away
    for _ in range(46):
        train_step(model, optimizer, session)
    assert asked == [1, 2, 4, 8, 16, 32]
    planner.plan = plan
    for _ in range(2):
        train_step(model, optimizer, session)
    assert [record.message.split(": ")[1].split(" (")[0] for record in caplog.records] == [
        "no new plan for round 1",
        "the planner answers again, from round 48 on",
    ]
    assert len(session.history) == session.steps == 49


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "UNIMPLEMENTED", "ALREADY_EXISTS"])
def test_a_later_round_that_is_refused_leaves_the_plan_in_force(code):
    model, optimizer, session = attached(plan_every=1)
    train_step(model, optimizer, session)
    in_force = flags(model)
    assert not all(in_force.values())
    session._rounds.planner.plan = failing(code)
    with pytest.raises(greenplan.Error, match="planner is away"):
        train_step(model, optimizer, session)
    assert flags(model) == in_force


def test_no_gradient_of_a_frozen_tensor_is_left_for_clipping():
    """As a custom function that writes into .grad would leave one."""
    model, optimizer, session = attached()
    train_step(model, optimizer, session)
    frozen = [parameter for parameter in model.parameters.values() if not parameter.requires_grad]
    with session.step():
        model.loss().backward()
        for parameter in frozen:
            parameter.grad = torch.ones_like(parameter)
    assert frozen and all(parameter.grad is None for parameter in frozen)


def test_a_step_without_backward_is_an_error_and_the_next_one_measures():
    model, optimizer, session = attached()
    with pytest.raises(greenplan.Error, match="no loss of the model was differentiated within the step"):
        with session.step():
            model.loss()
    with pytest.raises(RuntimeError, match="my own"):
        with session.step():
            raise RuntimeError("my own")
    assert all(flags(model).values())
    train_step(model, optimizer, session)
    assert session.plan is not None
    with session.step():
        with pytest.raises(greenplan.Error, match="a step has begun and not ended"):
            session.begin_round()
        model.loss().backward()


def test_a_planner_service_plans_the_rounds_of_a_session(tmp_path):
    pytest.importorskip("grpc")
    with daemon(tmp_path) as address:
        digests = []
        for planner in ("local", address, {"address": address, "timeout": 5.0}):
            model, optimizer, session = attached(planner=planner, plan_every=2, method="joint")
            for _ in range(4):
                train_step(model, optimizer, session)
            digests.append([entry["digest"] for entry in session.history])
    assert digests[0] == digests[1] == digests[2]
    with pytest.raises(greenplan.Error) as raised:
        model, optimizer, session = attached(planner={"address": address, "timeout": 0.5})
        train_step(model, optimizer, session)
    assert raised.value.code == "UNAVAILABLE"
    assert all(flags(model).values())


def test_a_planner_service_that_was_away_plans_again(tmp_path, caplog):
    """A job's rounds have no gap, however many the session has gone through meanwhile."""
    pytest.importorskip("grpc")
    with daemon(tmp_path) as address:
        model, optimizer, session = attached(planner=address, plan_every=1)
        train_step(model, optimizer, session)
    session._rounds.planner._service._timeout = 0.1
    for _ in range(2):
        train_step(model, optimizer, session)
    assert len({entry["digest"] for entry in session.history}) == 1
    assert "training goes on with the last plan" in caplog.text
    with daemon(tmp_path, listen=address):
        session._rounds.planner._service._timeout = 30.0  # gRPC may take a moment to connect again.
        for _ in range(2):  # In the first of them the planner is not asked yet.
            train_step(model, optimizer, session)
        assert "the planner answers again, from round 4 on" in caplog.text
        assert len({entry["digest"] for entry in session.history}) == 2


def test_rounds_that_the_lost_part_of_a_run_has_reported_are_passed_over(tmp_path):
    pytest.importorskip("grpc")
    with daemon(tmp_path) as address:

        def make():
            return attached(planner=address, plan_every=1, job="run")

        first = make()
        train_step(*first)
        state = state_of(*first)
        for _ in range(2):
            train_step(*first)
        model, optimizer, session = resumed(state, make)
        model.batch["input_ids"] = model.batch["input_ids"].roll(1, 1)  # What is measured now is something else.
        for _ in range(2):
            train_step(model, optimizer, session)
        assert [entry["round"] for entry in session.history] == [0, 1, 2]
        assert len({entry["digest"] for entry in session.history}) == 3
        with pytest.raises(greenplan.Error, match="jobs/run exists with another profile, options") as raised:
            train_step(*attached(planner=address, job="run", budget=0.3))
        assert raised.value.code == "ALREADY_EXISTS"


def test_a_changed_model_is_planned_as_a_job_of_its_own(tmp_path):
    pytest.importorskip("grpc")
    with daemon(tmp_path) as address:
        model, optimizer, session = attached(planner=address, plan_every=1, job="run")
        for _ in range(2):
            train_step(model, optimizer, session)
        model.model.lm_head.weight = model.model.model.embed_tokens.weight
        for _ in range(2):
            train_step(model, optimizer, session)
        assert [entry["round"] for entry in session.history] == [0, 1, 2, 3]
        assert session.state_dict()["planner"]["job"] == "run.2"


def test_a_training_that_was_broken_off_does_not_outlive_its_session():
    """As when an exception leaves a Trainer, which tells no callback."""
    backward = torch.autograd.backward
    model, optimizer, session = attached(method="drop", budget=0.6)
    for _ in range(2):
        train_step(model, optimizer, session)
    session.begin_step()
    assert torch.autograd.backward is not backward
    del session, optimizer
    gc.collect()
    assert torch.autograd.backward is backward
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.model.modules())
    assert all(flags(model).values())


def test_a_model_that_is_attached_again_has_all_its_candidates(caplog):
    model, optimizer, session = attached(budget=0.4)
    train_step(model, optimizer, session)
    session.begin_step()
    again = greenplan.attach(model.model, optimizer, budget=0.4)
    assert "its former session is detached" in caplog.text
    assert not session.is_attached and again.is_attached
    assert all(flags(model).values())
    train_step(model, optimizer, again)
    assert set(again.profile.trainable_names) == set(model.parameters)


def test_the_loss_of_another_model_is_none_of_a_sessions():
    model, optimizer, session = attached(method="joint")
    other, other_optimizer, other_session = attached("gpt2", method="joint")
    for _ in range(2):
        with session.step(), other_session.step():
            model.loss().backward()
            other.loss().backward()
        for one in (optimizer, other_optimizer):
            one.step()
            one.zero_grad()
    for one in (session, other_session):
        assert len(one.history) == 1 and not one.mismatches
    with pytest.raises(greenplan.Error, match="no loss of the model was differentiated"):
        with attached()[2].step():
            other.loss().backward()
