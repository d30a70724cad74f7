from __future__ import annotations

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F

import greenplan
from greenplan._optimizer_state import OptimizerState
from greenplan.next_update import NextUpdate
from greenplan.probe import importance_of_gradients, loss_reduction, probe_cross_fitted, probe_importance

OPTIONS = {
    torch.optim.AdamW: [{}, {"amsgrad": True}, {"betas": (0.5, 0.7), "weight_decay": 0.3}, {"maximize": True}],
    torch.optim.Adam: [{}, {"weight_decay": 0.1}, {"lr": torch.tensor(0.02)}],
    torch.optim.SGD: [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}],
    torch.optim.RMSprop: [{}, {"momentum": 0.5, "centered": True}],
    torch.optim.Adagrad: [{}, {"lr_decay": 0.1, "initial_accumulator_value": 0.2}],
}
KINDS = [{}, {"foreach": True}, {"fused": True}]
CASES = [
    (optimizer, {**options, **kind})
    for optimizer, all_options in OPTIONS.items()
    for options, kind in itertools.product(all_options, KINDS)
    # torch has no fused RMSprop, and no foreach or fused step with a learning rate in a tensor that is not capturable.
    if not (kind == {"fused": True} and optimizer is torch.optim.RMSprop)
    and not (kind == {"foreach": True} and isinstance(options.get("lr"), torch.Tensor))
]


class Network(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first, self.second = torch.nn.Linear(5, 7), torch.nn.Linear(7, 3)
        self.unused = torch.nn.Parameter(torch.randn(2))
        self.x, self.targets = torch.randn(4, 5), torch.tensor([0, 1, 2, 0])

    def loss(self) -> torch.Tensor:
        hidden = F.dropout(torch.relu(self.first(self.x)), 0.1)
        return F.cross_entropy(self.second(hidden), self.targets)


def made(kind: type[torch.optim.Optimizer], options: dict) -> tuple[Network, torch.optim.Optimizer]:
    """Two groups with learning rates of their own."""
    network = Network()
    learning_rate = options.get("lr", 0.05)
    groups = [{"params": network.first.parameters(), "lr": learning_rate * 2}]
    groups.append({"params": [*network.second.parameters(), network.unused]})
    return network, kind(groups, **{"lr": learning_rate, **options})


def train(network: Network, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        network.loss().backward()
        optimizer.step()


def snapshot(network: Network, optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    states = [value for state in optimizer.state_dict()["state"].values() for value in state.values()]
    tensors = [*network.parameters(), *(p.grad for p in network.parameters()), *states, torch.get_rng_state()]
    return [copy.deepcopy(tensor.detach()) for tensor in tensors if isinstance(tensor, torch.Tensor)]


def same(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return len(before) == len(after) and all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("kind, options", CASES, ids=str)
def test_the_next_update_is_bit_for_bit_the_next_step(kind, options, steps):
    network, optimizer = made(kind, options)
    train(network, optimizer, steps)
    optimizer.zero_grad()
    network.loss().backward()
    before = snapshot(network, optimizer)
    next_update = NextUpdate(optimizer)
    reached = [parameter for parameter in network.parameters() if parameter.grad is not None]
    updates = [next_update(parameter, parameter.grad) for parameter in reached]
    assert same(before, snapshot(network, optimizer))
    old = [parameter.detach().clone() for parameter in reached]
    optimizer.step()
    for parameter, value, update in zip(reached, old, updates, strict=True):
        assert torch.equal(parameter.detach() - value, update)


def test_a_schedulers_wrapped_step_and_the_users_hooks_stay_out_of_it():
    network, optimizer = made(torch.optim.AdamW, {})
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    calls = []
    optimizer.register_step_pre_hook(lambda *_: calls.append(1))
    train(network, optimizer, 1)
    scheduler.step()
    network.loss().backward()
    importance_of_gradients(network.named_parameters(), optimizer)
    assert calls == [1]
    assert scheduler.last_epoch == 1


def test_the_first_order_loss_reduction_is_minus_gradient_times_update():
    assert loss_reduction(torch.tensor([1.0, -2.0]), torch.tensor([0.5, 1.0])) == 1.5


def test_half_precision_gradients_are_not_multiplied_in_half_precision():
    gradient, update = torch.full((3,), 1.0078125).bfloat16(), torch.full((3,), 1.0078125).bfloat16()
    assert loss_reduction(gradient, update) == -3 * 1.0078125**2


@pytest.mark.parametrize("kind", list(OPTIONS))
def test_both_probes_tell_the_same(kind):
    network, optimizer = made(kind, {})
    train(network, optimizer, 2)
    optimizer.zero_grad()
    state = torch.get_rng_state()
    probed = probe_importance(network.named_parameters(), optimizer, network.loss)
    torch.set_rng_state(state)
    network.loss().backward()
    assert probed == importance_of_gradients(network.named_parameters(), optimizer)
    assert list(probed) == ["first.weight", "first.bias", "second.weight", "second.bias"]
    assert all(value > 0 for value in probed.values())


def test_importance_is_what_a_small_step_gains():
    network, optimizer = made(torch.optim.SGD, {"lr": 1e-4})
    network.x = network.x.double()
    network.double()
    state = torch.get_rng_state()
    importance = probe_importance(network.named_parameters(), optimizer, network.loss)
    torch.set_rng_state(state)
    before = network.loss()
    before.backward()
    optimizer.step()
    torch.set_rng_state(state)
    assert float((before - network.loss()).detach()) == pytest.approx(sum(importance.values()), rel=1e-2)


@pytest.mark.parametrize("kind", list(OPTIONS))
def test_an_optimizer_that_maximizes_is_worth_what_it_gains(kind):
    found = []
    for sign, options in ((1, {}), (-1, {"maximize": True})):
        network, optimizer = made(kind, options)
        importance = probe_importance(network.named_parameters(), optimizer, lambda: sign * network.loss())  # noqa: B023
        assert importance and all(value > 0 for value in importance.values())
        loss_fns = [lambda: sign * network.loss()] * 2  # noqa: B023
        found.append([importance, *probe_cross_fitted(network.named_parameters(), optimizer, loss_fns)])
    assert found[0] == found[1]


def test_the_separate_probe_leaves_all_as_it_was_also_when_the_loss_raises():
    network, optimizer = made(torch.optim.AdamW, {})
    train(network, optimizer, 1)
    network.first.bias.requires_grad_(False)

    def broken():
        network.loss().backward()
        raise RuntimeError("out of data")

    for loss_fn, error in ((network.loss, None), (broken, RuntimeError), (lambda: torch.zeros(()), ValueError)):
        before = snapshot(network, optimizer)[:-1]  # The random state moves on.
        if error is None:
            assert "first.bias" not in probe_importance(network.named_parameters(), optimizer, loss_fn)
        else:
            with pytest.raises(error):
                probe_importance(network.named_parameters(), optimizer, loss_fn)
        assert same(before, snapshot(network, optimizer)[:-1])
        assert not any(parameter._post_accumulate_grad_hooks for parameter in network.parameters())
    assert not network.first.bias.requires_grad


def test_the_separate_probe_frees_each_gradient_at_once():
    network, optimizer = made(torch.optim.AdamW, {})
    alive = []

    def count(parameter):
        alive.append(sum(other.grad is not None for other in network.parameters()))

    def loss_fn():
        loss = network.loss()
        for parameter in network.parameters():
            parameter.register_post_accumulate_grad_hook(count)
        return loss

    probe_importance(network.named_parameters(), optimizer, loss_fn)
    assert max(alive) == 0


def test_tensors_outside_the_optimizer_are_not_measured():
    network = Network()
    optimizer = torch.optim.SGD(network.second.parameters(), lr=0.1)
    assert list(probe_importance(network.named_parameters(), optimizer, network.loss)) == [
        "second.weight",
        "second.bias",
    ]
    with pytest.raises(ValueError, match=r"shape \[7, 5\] is in no group"):
        NextUpdate(optimizer)(network.first.weight, network.first.weight)


def test_refuses_other_optimizers_and_gradients_that_are_not_finite():
    network = Network()
    with pytest.raises(
        greenplan.Error, match="optimizer is Rprop; allowed: AdamW, Adam, SGD, RMSprop, Adagrad"
    ) as raised:
        NextUpdate(torch.optim.Rprop(network.parameters()))
    assert raised.value.code == "UNIMPLEMENTED"
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    network.x = network.x * float("nan")
    with pytest.raises(ValueError, match='importance of "first.weight" is nan'):
        probe_importance(network.named_parameters(), optimizer, network.loss)


@pytest.mark.parametrize("kind, options", CASES, ids=str)
def test_a_tensor_with_the_state_of_one_never_stepped_goes_on_as_one_without(kind, options):
    weights = []
    for is_completed in (False, True):
        network, optimizer = made(kind, options)
        network.first.requires_grad_(False)
        train(network, optimizer, 2)
        network.first.requires_grad_(True)
        if is_completed:
            OptimizerState(optimizer, "keep").complete(network.parameters())
            assert all(parameter in optimizer.state for parameter in network.parameters())
        train(network, optimizer, 3)
        weights.append([parameter.detach().clone() for parameter in network.parameters()])
    assert all(torch.equal(one, other) for one, other in zip(*weights, strict=True))
