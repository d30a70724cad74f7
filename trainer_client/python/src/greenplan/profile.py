"""The cost model of one training step: read off a loss, kept in a file, asked what a mask costs."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from greenplan import profile_json
from greenplan.cost import Cost, block_costs, evaluate, evaluate_step, step_cost_by
from greenplan.errors import ArgumentError, unknown_name
from greenplan.model_profile import ModelProfile, Op, Tensor

if TYPE_CHECKING:
    import torch

_UNITS = {"COST_UNIT_FLOPS": "FLOPs", "COST_UNIT_NANOSECONDS": "ns", "COST_UNIT_MICROJOULES": "µJ"}


class Profile:
    """What each part of a training step costs: forward, and backward as a graph of ops that tensors hang on.

    Plain data: it holds no tensor and no reference to the model. Reading is thread-safe; nothing changes a profile.
    Made by ``greenplan.profile(loss, named_parameters)`` or ``Profile.load(path)``.
    """

    def __init__(self, data: ModelProfile) -> None:
        """Wraps a cost model.

        Args:
            data: A valid one (``profile_json.validate``), not changed afterwards.
        """
        self._data = data

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Profile:
        """Reads a profile that any program of greenplan wrote.

        Args:
            path: A file named ``*.json`` or ``*.json.gz``.

        Raises:
            ArgumentError: The name has another ending, or the file holds no valid profile.
            OSError: The file cannot be read.
        """
        return cls(profile_json.read(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the profile for any program of greenplan. An existing file is replaced as a whole.

        Args:
            path: A file named ``*.json`` or ``*.json.gz``.

        Raises:
            ArgumentError: The name has another ending.
            OSError: The file cannot be written.
        """
        profile_json.write(self._data, path)

    @classmethod
    def from_config(
        cls,
        config: Mapping[str, Any] | str | os.PathLike[str],
        *,
        batch_size: int = 1,
        seq_len: int | None = None,
        target_len: int | None = None,
        attention: Literal["sdpa", "eager"] = "sdpa",
        dtype: str = "float32",
        lora_rank: int = 0,
        head: str = "",
    ) -> Profile:
        """Makes the profile of a Hugging Face model from its config alone: no weights, no torch.

        Args:
            config: The content of a config.json (``model.config.to_dict()`` will do), its path or that of its folder.
            batch_size: Sequences, images or recordings in a step.
            seq_len: Tokens of a sequence; mel frames for Whisper; not used for images.
            target_len: Tokens of the target, for encoder-decoders.
            attention: Fused attention, or separate products.
            dtype: Of activations: float32, bfloat16, float16 or float64.
            lora_rank: Above 0, adapters of this rank over frozen weights.
            head: What stands on top: causal-lm, masked-lm, classifier or none; by default what the config says.

        Raises:
            ArgumentError: The family is not supported, or something is missing, wrong or out of range.
            OSError: The file cannot be read.
        """
        from greenplan import _library

        settings: dict[str, Any] = {
            "batch_size": batch_size,
            "seq_len": seq_len,
            "target_len": target_len,
            "attention": attention,
        }
        settings |= {"dtype": dtype, "lora_rank": lora_rank, "head": head or None}
        request = {"config": _read_config(config), **settings}
        return cls(profile_json.from_json(_library.call("profile_config", request)))

    @property
    def data(self) -> ModelProfile:
        """The cost model itself, which must not be changed."""
        return self._data

    @property
    def model(self) -> str:
        """A label for people."""
        return self._data.model

    @property
    def cost_unit(self) -> str:
        """What one unit of cost is: COST_UNIT_FLOPS, COST_UNIT_NANOSECONDS or COST_UNIT_MICROJOULES."""
        return self._data.cost_unit

    @property
    def forward_cost(self) -> int:
        """Cost of the forward pass, in cost_unit."""
        return self._data.forward_cost

    @property
    def ops(self) -> tuple[Op, ...]:
        """Backward, in topological order from the loss."""
        return tuple(self._data.ops)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The parameter tensors, in the order of ``named_parameters()``."""
        return tuple(self._data.tensors)

    @property
    def names(self) -> tuple[str, ...]:
        """The tensors' names, [num_tensors]."""
        return tuple(tensor.name for tensor in self._data.tensors)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The tensors' shapes, by name."""
        return {tensor.name: tensor.shape for tensor in self._data.tensors}

    @property
    def trainable_names(self) -> tuple[str, ...]:
        """The names of the tensors that the loss reaches: full fine-tuning trains exactly these."""
        return tuple(tensor.name for tensor in self._data.tensors if tensor.op is not None)

    @property
    def blocks(self) -> tuple[str, ...]:
        """The names of the residual blocks that may be dropped in backward, in forward order."""
        return tuple(self._data.blocks)

    def cost(self, trainable: Iterable[str], drop_rates: Mapping[str, float] | None = None) -> Cost:
        """Counts exactly what a step costs that trains the given tensors and no others.

        Args:
            trainable: Names of tensors. Those that the loss does not reach cost nothing. Without any, the cost is that
                of the gradients that every step computes, of leaves charged by ``other_leaves="always"``; a file does
                not say that there are some.
            drop_rates: The probability in [0, 1] that a block is skipped in backward, by the block's name. Blocks that
                are missing are never skipped.

        Returns:
            The costs in cost_unit. With drop rates the backward cost is the expectation, rounded up.

        Raises:
            ArgumentError: A name is unknown, or a rate is not in [0, 1].
        """
        mask = self._mask("trainable", trainable)
        return evaluate(self._data, mask, self._rates(drop_rates or {}))

    def step_cost(self, trainable: Iterable[str], dropped: Iterable[str] = ()) -> int:
        """Counts exactly what backward of one step costs that skips the given blocks.

        Args:
            trainable: Names of tensors.
            dropped: Names of blocks.

        Returns:
            The cost in cost_unit. The expectation over drawn blocks is at most that of ``cost``, which charges ops that
            several blocks lead to as if no block were dropped.

        Raises:
            ArgumentError: A name is unknown.
        """
        cost, _ = self._evaluate_step(trainable, dropped)
        return cost

    def _evaluate_step(self, trainable: Iterable[str], dropped: Iterable[str]) -> tuple[int, set[str]]:
        """Returns ``step_cost`` and the names of the tensors that the step has a gradient of."""
        mask = self._mask("trainable", trainable)
        step = evaluate_step(self._data, mask, [self._block("dropped", name) for name in dropped])
        return step.backward_cost, {name for name, one in zip(self.names, step.reached, strict=True) if one}

    def _step_cost_by(
        self, trainable: Iterable[str], dropped: Iterable[str], group_of: Callable[[Op], str]
    ) -> dict[str, int]:
        """Splits ``step_cost`` by ``group_of`` of the op that pays."""
        mask = self._mask("trainable", trainable)
        return step_cost_by(self._data, mask, [self._block("dropped", name) for name in dropped], group_of)

    def block_costs(self, trainable: Iterable[str]) -> dict[str, int]:
        """Counts what backward costs in each block when the given tensors are trained, in cost_unit.

        Raises:
            ArgumentError: A name is unknown.
        """
        costs = block_costs(self._data, self._mask("trainable", trainable))
        return dict(zip(self._data.blocks, costs, strict=True))

    def _mask(self, field: str, names: Iterable[str]) -> list[bool]:
        if isinstance(names, str):
            raise ArgumentError(f'{field} is the string "{names}"; allowed: a list of names', field=field)
        chosen = set(names)
        known = set(self.names)
        for name in chosen:
            if name not in known:
                raise unknown_name(field, name, self.names, "names of the profile's tensors")
        return [tensor.name in chosen for tensor in self._data.tensors]

    def _rates(self, drop_rates: Mapping[str, float]) -> dict[int, float]:
        rates = {}
        for block, rate in drop_rates.items():
            index = self._block("drop_rates", block)
            if not 0 <= rate <= 1:
                raise ArgumentError(f'drop_rates["{block}"] is {rate}; allowed: 0 to 1', field="drop_rates")
            rates[index] = float(rate)
        return rates

    def _block(self, field: str, name: str) -> int:
        if name not in self._data.blocks:
            raise unknown_name(field, name, self._data.blocks, "names of the profile's blocks")
        return self._data.blocks.index(name)

    def __repr__(self) -> str:
        full = self.cost(self.names)
        unit = _UNITS[self.cost_unit]
        return (
            f"Profile({self.model or 'model'}: {len(self._data.tensors)} tensors, {len(self._data.blocks)} blocks, "
            f"forward {self.forward_cost:,} {unit}, full backward {full.backward_cost:,} {unit})"
        )

    def _repr_html_(self) -> str:
        """A table for notebooks: what the step costs, and each block's part of full backward."""
        full = self.cost(self.names)
        unit = _UNITS[self.cost_unit]
        rows = [("forward", full.forward_cost), ("full backward", full.backward_cost)]
        rows += [(f"block {name}", cost) for name, cost in self.block_costs(self.names).items()]
        step = full.predicted_cost or 1
        cells = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{cost:,}</td><td>{cost / step:.1%}</td></tr>" for name, cost in rows
        )
        title = html.escape(f"{self.model or 'profile'}: {len(self._data.tensors)} tensors")
        head = f"<tr><th></th><th>{unit}</th><th>of a full step</th></tr>"
        return f"<table><caption>{title}</caption>{head}{cells}</table>"


def _read_config(config: Mapping[str, Any] | str | os.PathLike[str]) -> dict[str, Any]:
    if isinstance(config, Mapping):
        return dict(config)
    path = Path(config)
    path = path / "config.json" if path.is_dir() else path
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise ArgumentError(f"config: {path} is not JSON: {error}", field="config") from None
    if not isinstance(content, dict):
        raise ArgumentError(f"config: {path} holds no JSON object", field="config")
    return content


def profile(
    loss: torch.Tensor,
    named_parameters: Iterable[tuple[str, torch.Tensor]],
    *,
    frozen: Iterable[str] = (),
    pinned: Iterable[str] = (),
    dropped: Iterable[str] = (),
    resident: Iterable[torch.Tensor] = (),
    other_leaves: Literal["refuse", "always"] = "refuse",
    model: str = "",
) -> Profile:
    """Reads the cost model of a training step off the autograd graph behind a loss, in FLOPs.

    ::

        loss = model(**batch).loss
        profile = greenplan.profile(loss, model.named_parameters())

    The forward pass must have run with every parameter that may ever be trained requiring grad: what does not require
    grad is not in the graph, so its products are missing in forward_cost, and it counts as never trainable. Runs
    nothing and keeps no reference to the graph; functions under reentrant checkpointing alone are run once more, each.
    Reads no value of any tensor, and ``loss.backward()`` works afterwards as if nothing had happened.

    - The result holds for steps that run the same operators whatever is frozen. Where an attention mask requires grad,
      ``scaled_dot_product_attention`` may not: it takes separate products until whatever the mask is made of is
      frozen. Such a graph is refused unless a parameter that the mask is made of is ``pinned`` and not in a block that
      steps may drop without the attention; so is the product of transposed batches and a vector, of which torch has
      two as well, and ``group_norm`` of channels-last images on a CPU, which crashes. Where such a norm lies within a
      checkpoint, the function runs once more to show the images.
    - Under ``use_reentrant=False`` checkpointing, what backward computes again is counted exactly, up to the point
      where torch stops, for products of which anything requires grad. With frozen base weights, as in LoRA, let them
      require grad in the forward pass that is profiled and name them in ``frozen``.
    - ``enable_input_require_grads()``, which gradient checkpointing switches on in transformers 5, lets the output of a
      frozen embedding require grad: backward then runs down to it whatever is frozen, and so it is charged;
      ``disable_input_require_grads()`` saves the work.
    - Under ``use_reentrant=True`` torch computes no gradient at all behind the first checkpoint whose inputs require no
      grad; the profile counts such gradients as if it did.

    Args:
        loss: A scalar that backward() has not been called on.
        named_parameters: As ``model.named_parameters()``; a tied tensor counts once, under its first name. That call
            itself is quickest: of another list of a model with embeddings, the model is first looked for among all
            objects of the process.
        frozen: Names of parameters that will never be trained although they require grad in this forward pass: listed
            without op, and the work that only they would need is left out.
        pinned: Names of parameters that will be trained in every step that does not drop their block.
        dropped: Names of blocks that steps may drop. Names that the profile does not have do no harm.
        resident: Tensors that exist whether or not backward needs them, such as the batch: left out of saved_bytes, as
            the parameters are.
        other_leaves: What to do about leaf tensors that require grad and are not listed, whose gradients no plan can
            avoid: ``"refuse"`` them, or charge them ``"always"``, whatever is trained. T5 makes such a leaf in every
            layer under gradient checkpointing.
        model: A label for people.

    Returns:
        One or two ops per tensor, each labelled with the forward operator and its first tensor. saved_bytes counts the
        storages that nodes keep for backward, each whole and once; not what hooks of others pack away.

    Raises:
        ArgumentError: The loss does not require grad or has been differentiated, no parameter is reached, the graph
            ends at a tensor that requires grad and is not listed (``other_leaves``), a name is unknown.
        Error: UNIMPLEMENTED if a node may hide matrix products and has no rule (``register_cost`` teaches one), or if
            torch's choice of a kernel depends on what is trained; INTERNAL if a checkpointed function raises.
    """
    from greenplan._autograd.reading import collector_paused, read_profile
    from greenplan._inputs import open_embeddings

    opened = open_embeddings(named_parameters)
    with collector_paused():
        data, _ = read_profile(
            loss,
            named_parameters,
            frozen,
            resident,
            other_leaves,
            model,
            pinned=pinned,
            open_embeddings=opened,
            dropped=frozenset(dropped),
        )
        return Profile(data)
