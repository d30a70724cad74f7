"""Which modules of a model make up a block of its graph, and steps that run some blocks without recording.

A block is skipped in backward by running its modules under ``torch.no_grad()`` in that step: the forward pass computes
the same, nothing is saved, and the gradient stops where it would enter the block. Which modules these are is seen in a
forward pass: those whose outputs all lie within the block. A module around the addition x + f(x) is none of them, as
its output lies outside; nor is one that several blocks share.
"""

from __future__ import annotations

import contextlib
import itertools
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from greenplan._autograd.graph_blocks import GraphBlocks
from greenplan._autograd.node_shapes import Node
from greenplan._hooks import removed_afterwards
from greenplan.errors import Error, unknown_name


@dataclass(slots=True)
class ModuleCalls:
    """What is known of the calls of a model's modules, by the module's name.

    Attributes:
        outputs: The autograd nodes of what each returned, without what it was given: an identity records nothing.
        spans: The sequence numbers of the nodes that each call made: from the first up to the second, exclusively.
    """

    outputs: dict[str, list[Node]] = field(default_factory=dict)
    spans: dict[str, list[tuple[int, int]]] = field(default_factory=dict)

    def output_nodes(self) -> Iterator[Node]:
        """Lists the nodes of all outputs."""
        return itertools.chain.from_iterable(self.outputs.values())

    def clear(self) -> None:
        """Forgets all calls."""
        self.outputs.clear()
        self.spans.clear()


@contextlib.contextmanager
def recorded_calls(model: torch.nn.Module) -> Iterator[ModuleCalls]:
    """Records the calls of every module while it is entered.

    Keep it entered until the loss has been profiled: functions under reentrant checkpointing have nodes only then.
    """
    calls = ModuleCalls()
    begun: list[tuple[str, int]] = []  # The calls that have not returned, and those that have raised.

    def before(name: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, args: Any) -> None:
            begun.append((name, _next_sequence_number()))

        return hook

    def record(name: str) -> Callable[..., None]:
        def hook(module: torch.nn.Module, args: Any, kwargs: Any, output: Any) -> None:
            while begun and begun[-1][0] != name:
                begun.pop()
            if begun:
                calls.spans.setdefault(name, []).append((begun.pop()[1], _next_sequence_number()))
            given = {tensor.grad_fn for tensor in _tensors((args, kwargs))}
            nodes = (tensor.grad_fn for tensor in _tensors(output))
            calls.outputs.setdefault(name, []).extend(node for node in nodes if node is not None and node not in given)

        return hook

    modules = [(name, module) for name, module in model.named_modules() if name]
    pre_hooks = (module.register_forward_pre_hook(before(name)) for name, module in modules)
    hooks = (module.register_forward_hook(record(name), with_kwargs=True) for name, module in modules)
    with removed_afterwards(itertools.chain(pre_hooks, hooks)):
        yield calls


def _next_sequence_number() -> int:
    """Returns the number that the next node of this thread will have."""
    return int(torch.autograd._get_sequence_nr())  # type: ignore[attr-defined]


class BlockModules:
    """The modules of each block of a model.

    Attributes:
        modules: The names of the modules by the block's name, for the blocks that can be dropped.
        undroppable: Names of blocks through which gradient would flow past all their modules, or that hold a reentrant
            checkpoint: torch refuses one of whose outputs none requires grad when it runs again.
    """

    def __init__(
        self, model: torch.nn.Module, modules: Mapping[str, Iterable[str]], undroppable: Iterable[str] = ()
    ) -> None:
        """Takes a mapping that was found before.

        Args:
            model: Not kept alive but for the modules of its blocks.
            modules: The names of the modules by the block's name.
            undroppable: Names of blocks that cannot be dropped.
        """
        self.modules = {block: tuple(names) for block, names in modules.items()}
        self.undroppable = tuple(undroppable)
        self._modules = {block: [model.get_submodule(name) for name in names] for block, names in self.modules.items()}

    @classmethod
    def found(cls, model: torch.nn.Module, blocks: GraphBlocks, calls: ModuleCalls) -> BlockModules:
        """Maps blocks to modules.

        Args:
            model: The model.
            blocks: Of the graph of a forward pass of ``model``.
            calls: Of the same forward pass, by ``recorded_calls``.
        """
        outputs = calls.outputs
        members = _outermost_members(outputs, blocks)
        checkpoints = blocks.graph.checkpoint_inputs
        checkpointed = frozenset[int]().union(*(blocks.blocks_of_node[checkpoint] for checkpoint in checkpoints))
        modules: dict[str, list[str]] = {}
        undroppable = []
        for block, name in enumerate(blocks.names):
            of_block = members.get(block, [])
            ends = {node for member in of_block for node in outputs[member]}
            if block in checkpointed or blocks.leads_out(block, ends):
                undroppable.append(name)
            else:
                modules[name] = of_block
        return cls(model, modules, undroppable)

    def vanishing(self, blocks: GraphBlocks, calls: ModuleCalls) -> list[frozenset[int]]:
        """Tells which blocks each node of a graph goes with, [num_nodes]: their modules made it while they ran.

        Args:
            blocks: Of the graph that these modules were found in.
            calls: Of the same forward pass.
        """
        nodes = blocks.graph.nodes
        made = sorted((node._sequence_nr(), index) for index, node in enumerate(nodes))
        labels: list[frozenset[int]] = [frozenset()] * len(nodes)
        for block, name in enumerate(blocks.names):
            for module in self.modules.get(name, ()):
                for start, end in calls.spans.get(module, ()):
                    for _, index in made[bisect_left(made, (start, 0)) : bisect_left(made, (end, 0))]:
                        labels[index] |= {block}
        return labels

    def joined(self, model: torch.nn.Module, other: BlockModules) -> BlockModules:
        """Adds the blocks of another loss of the same model. A block can be dropped if that holds for every loss."""
        undroppable = tuple(dict.fromkeys((*self.undroppable, *other.undroppable)))
        modules = {
            block: dict.fromkeys((*self.modules.get(block, ()), *other.modules.get(block, ())))
            for block in (*self.modules, *other.modules)
            if block not in undroppable
        }
        return BlockModules(model, modules, undroppable)

    @contextlib.contextmanager
    def dropped(self, blocks: Iterable[str]) -> Iterator[None]:
        """Runs the modules of the given blocks without recording while it is entered.

        Enter it around forward and backward: checkpointed functions run again in backward, and must do so alike.

        Raises:
            Error: UNIMPLEMENTED for a block that cannot be dropped; ArgumentError for an unknown one.
        """
        modules = [module for block in blocks for module in self._modules_of(block)]
        was_enabled: list[bool] = []

        def before(module: torch.nn.Module, args: Any) -> None:
            was_enabled.append(torch.is_grad_enabled())
            torch.set_grad_enabled(False)

        def after(module: torch.nn.Module, args: Any, output: Any) -> None:
            torch.set_grad_enabled(was_enabled.pop())

        hooks = [module.register_forward_pre_hook(before) for module in modules]
        hooks += [module.register_forward_hook(after, always_call=True) for module in modules]
        with removed_afterwards(hooks):
            yield

    def _modules_of(self, block: str) -> list[torch.nn.Module]:
        if block in self.undroppable:
            raise Error(
                f'block "{block}" cannot be dropped: gradient flows past its modules, or a checkpoint with '
                "use_reentrant=True lies within it; pin its drop rate to 0",
                code="UNIMPLEMENTED",
                field="blocks",
            )
        if block not in self._modules:
            raise unknown_name("blocks", block, self._modules, "names of the profile's blocks")
        return self._modules[block]


def _outermost_members(outputs: Mapping[str, list[Node]], blocks: GraphBlocks) -> dict[int, list[str]]:
    """Returns the modules all of whose outputs lie within a block, by block, without those within such a module.

    Outputs that do not lead to the loss, such as those of an earlier run of a checkpoint, do not count.
    """
    nowhere: frozenset[int] = frozenset()
    index_of, blocks_of_node = blocks.graph.index_of, blocks.blocks_of_node
    blocks_of_module: dict[str, frozenset[int]] = {}
    for name, nodes in outputs.items():
        of_outputs = [blocks_of_node[index_of[node]] for node in nodes if node in index_of]
        blocks_of_module[name] = frozenset.intersection(*of_outputs) if of_outputs else nowhere
    members: dict[int, list[str]] = {}
    for name, of_module in blocks_of_module.items():
        ancestors = (name.rsplit(".", count)[0] for count in range(1, name.count(".") + 1))
        of_ancestors = nowhere.union(*(blocks_of_module.get(ancestor, nowhere) for ancestor in ancestors))
        for block in of_module - of_ancestors:
            members.setdefault(block, []).append(name)
    return members


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    """Lists the tensors in what a module returns."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, tuple | list):
        for value in output:
            yield from _tensors(value)
