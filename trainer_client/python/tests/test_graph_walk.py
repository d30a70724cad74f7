from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import hf_models
from greenplan._autograd import graph_walk
from greenplan._autograd.graph_walk import walk_graph


def names(graph: graph_walk.AutogradGraph) -> list[str]:
    return [kind.name.rpartition("::")[2] for kind in graph.kinds]


def viewed() -> tuple[torch.Tensor, torch.Tensor]:
    """A loss, and the view of the weight that it is made of."""
    weight = torch.nn.Parameter(torch.randn(3, 5))
    view = weight.t().reshape(15)
    return (view * view).sum(), view


def test_edges_lead_past_nodes_that_only_pass_a_gradient_on():
    loss, _ = viewed()
    graph = walk_graph(loss.grad_fn)
    assert names(graph) == ["SumBackward0", "MulBackward0", "AccumulateGrad"]
    assert graph.targets == [[1], [2, 2], []]


def test_landmarks_stay():
    loss, view = viewed()
    graph = walk_graph(loss.grad_fn, lambda: [view.grad_fn])
    assert names(graph)[2:] == [view.grad_fn.name(), "AccumulateGrad"]
    assert graph.targets == [[1], [2, 2], [3], []]
    assert graph.index_of[view.grad_fn] == 2


def test_the_loss_stays_and_operands_without_gradient_lead_nowhere():
    weight = torch.nn.Parameter(torch.randn(5, 7))
    graph = walk_graph((torch.randn(3, 5) @ weight).t().grad_fn)
    assert names(graph) == ["TBackward0", "MmBackward0", "AccumulateGrad"]
    assert graph.targets == [[1], [None, 2], []]
    assert graph.reached_from(1) == [2]


def test_a_leaf_comes_right_behind_its_last_consumer():
    first, second = torch.nn.Parameter(torch.randn(3)), torch.nn.Parameter(torch.randn(3))
    graph = walk_graph(((first * second).exp() * first).sum().grad_fn)
    leaves = [graph.index_of[node] for node in graph.nodes if hasattr(node, "variable")]
    assert names(graph) == ["SumBackward0", "MulBackward0", "ExpBackward0", "MulBackward0"] + ["AccumulateGrad"] * 2
    assert graph.targets[3] == leaves
    assert graph.nodes[leaves[0]].variable is first


@pytest.mark.parametrize("family", ["llama-tied", "t5", "whisper", "gpt_neox", "mixtral"])
def test_a_plain_graphs_order_is_that_of_the_engine(family, monkeypatch):
    """A sort gives what the queue of the nodes that are ready gives."""
    loss = hf_models.build(family, "eager").loss()
    sorted_nodes = walk_graph(loss.grad_fn).nodes
    monkeypatch.setattr(graph_walk, "_order_of_plain_graph", lambda targets: None)
    assert walk_graph(loss.grad_fn).nodes == sorted_nodes


def test_consumers_made_in_another_thread_come_first_too():
    """Every thread numbers the nodes that it makes, so that these seem to be older than what they consume."""
    weight = torch.nn.Parameter(torch.randn(4))
    product = (weight.exp() * 2.0).exp()
    with ThreadPoolExecutor(1) as executor:
        loss = executor.submit(lambda: product.exp().sum()).result()
    assert loss.grad_fn._sequence_nr() < product.grad_fn._sequence_nr()
    graph = walk_graph(loss.grad_fn)
    assert graph.targets == [[1], [2], [3], [4, None], [5], []]
