"""The price of every autograd node: a table of rules by name, and what users add to it.

A node that is neither in the table nor known to be free (``free_ops``) is refused by name. It is never counted as 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import prod

from torch.autograd.function import BackwardCFunction

from greenplan._autograd.free_ops import is_free
from greenplan._autograd.node_cost import NodeCost, Rule
from greenplan._autograd.node_shapes import Node, NodeShapes
from greenplan._autograd.saved_variable import read_saved
from greenplan.errors import ArgumentError, Error

LEAF = "torch::autograd::AccumulateGrad"
_COPY_SLICES = "torch::autograd::CopySlices"
_FREE_NODES = (LEAF, "torch::autograd::CopyBackwards")


def flops(*sizes: int) -> int:
    """Returns the FLOPs of a product that has one multiply-add for every index in ``sizes``."""
    return 2 * prod(sizes)


def _matrix_product(left: int, left_name: str, right_name: str) -> Rule:
    """Prices [rows, inner] at operand ``left`` times [inner, columns] behind it; each gradient costs as much."""

    @lru_cache(maxsize=256)  # The layers of a model are of few sizes.
    def of_sizes(rows: int, inner: int, columns: int) -> NodeCost:
        product = flops(rows, inner, columns)
        return NodeCost(forward=product, per_input=(0,) * left + (product, product))

    def cost(shapes: NodeShapes) -> NodeCost:
        rows, inner = shapes.operand(left, 2, left_name)
        return of_sizes(rows, inner, shapes.operand(left + 1, 2, right_name)[1])

    return Rule(cost)


def _batched_product(left: int) -> Rule:
    """Prices [batch, rows, inner] times [batch, inner, columns] likewise. The node does not keep the sizes of both."""

    def cost(shapes: NodeShapes) -> NodeCost:
        if shapes.needs_gradient(left):
            inner = shapes.operand(left, 3)[2]
        else:
            inner = shapes.operand(left + 1, 3)[1]
        product = flops(*shapes.output(3), inner)
        return NodeCost(forward=product, per_input=(0,) * left + (product, product))

    return Rule(cost)


def _addbmm(shapes: NodeShapes) -> NodeCost:
    """The sum over the batch is part of the product: output [rows, columns], operands [batch, rows, inner]."""
    output = shapes.output(2)
    left = shapes.needs_gradient(1)
    operand = shapes.operand(1 if left else 2, 3)
    product = flops(operand[0], *output, operand[2 if left else 1])
    return NodeCost(forward=product, per_input=(0, product, product))


def _matrix_vector(matrix: int) -> Rule:
    """Prices matrix [rows, inner] at operand ``matrix`` times vector [inner] behind it.

    The matrix's gradient is an outer product, which torch executes as a broadcast multiplication: elementwise.
    """

    def cost(shapes: NodeShapes) -> NodeCost:
        inner = shapes.operand(matrix, 2)[1] if shapes.needs_gradient(matrix) else shapes.operand(matrix + 1, 1)[0]
        product = flops(*shapes.output(1), inner)
        return NodeCost(forward=product, per_input=(0,) * (matrix + 1) + (product,))

    return Rule(cost)


def _addr(shapes: NodeShapes) -> NodeCost:
    """An outer product; each vector's gradient is a matrix-vector product."""
    product = flops(*shapes.output(2))
    return NodeCost(per_input=(0, product, product))


def _dot(shapes: NodeShapes) -> NodeCost:
    """The gradients of an inner product are scaled vectors."""
    return NodeCost(forward=flops(*shapes.operand(0 if shapes.needs_gradient(0) else 1, 1)))


def _triangular_solve(shapes: NodeShapes) -> NodeCost:
    """A X = B or X A = B. The gradient of A is the one product; solving is none, in forward and backward."""
    *batch, rows, columns = shapes.output()
    size, others = (rows, columns) if shapes.node._saved_left else (columns, rows)
    return NodeCost(per_input=(flops(*batch, size, others, size),))


def _solve(shapes: NodeShapes) -> NodeCost:
    """A X = B, X A = B, or A x = b, where torch takes the vector for a matrix of one column."""
    if not shapes.needs_gradient(0):
        return NodeCost()
    *_, size, _ = shapes.operand(0)
    return NodeCost(per_input=(size * flops(*shapes.output()),))


def _inverse(shapes: NodeShapes) -> NodeCost:
    """The gradient is the output's between two inverses."""
    output = shapes.output()
    return NodeCost(per_input=(2 * flops(*output, output[-1]),))


def _cholesky(shapes: NodeShapes) -> NodeCost:
    """The gradient is one product between two solutions."""
    output = shapes.output()
    return NodeCost(per_input=(flops(*output, output[-1]),))


def _euclidean_distance(shapes: NodeShapes) -> NodeCost:
    """Distances by a product of [rows, inner] and its like, which forward extends by two: a norm and a one."""
    operand = shapes.operand(0 if shapes.needs_gradient(0) else 1)
    output = shapes.output()
    return NodeCost(forward=flops(*output, operand[-1] + 2), op=2 * flops(*output, operand[-1]))


def _linear(shapes: NodeShapes) -> NodeCost:
    """Input [.., inner], weight [columns, inner], bias: one node on devices where linear is an operator of its own."""
    inner = shapes.operand(0 if shapes.needs_gradient(0) else 1)[-1]
    product = flops(*shapes.output(), inner)
    return NodeCost(forward=product, per_input=(product, product, 0))


def _grouped_mm(shapes: NodeShapes) -> NodeCost:
    """Products over ragged groups, [rows, inner] x [groups, inner, columns] and its relatives.

    Every row, or every inner index, belongs to one group, so the number of groups falls out unless all operands carry
    it.
    """
    output = shapes.output()
    left = shapes.needs_gradient(0)
    operand = shapes.operand(0 if left else 1)
    inner = operand[-1] if left else operand[-2]
    inner_is_ragged = len(output) == 3 and len(operand) == 2
    product = flops(*(output[1:] if inner_is_ragged else output), inner)
    return NodeCost(forward=product, per_input=(product, product))


def _convolution(shapes: NodeShapes) -> NodeCost:
    """Weight [out, in / groups, kernel..], or [in, out / groups, kernel..] where it is transposed.

    Every position of the output (of the input, where transposed) meets every weight once, which accounts for strides,
    dilation and groups.
    """
    weight = shapes.operand(1, saved="weight")
    image = shapes.operand(0, saved="input") if shapes.node._saved_transposed else shapes.output()
    is_batched = len(image) == len(weight)
    positions = prod(image[2 if is_batched else 1 :]) * (image[0] if is_batched else 1)
    product = flops(positions, *weight)
    return NodeCost(forward=product, per_input=(product, product, 0))


def _fused_attention(shapes: NodeShapes) -> NodeCost:
    """Query [.., queries, depth], key [.., keys, depth], value [.., keys, value depth].

    Backward computes the scores again, then the gradients of query, key, scores and value: all of them or nothing.
    Masked positions are counted, as where the products are separate; under grouped queries every query head counts.
    """
    batch, heads, queries, value_depth = shapes.output(4)
    keys, depth = _keys_and_depth(shapes)
    scores = flops(batch, heads, queries, keys, depth)
    values = flops(batch, heads, queries, keys, value_depth)
    return NodeCost(forward=scores + values, op=3 * scores + 2 * values)


def _keys_and_depth(shapes: NodeShapes) -> tuple[int, int]:
    if shapes.needs_gradient(1):
        key = shapes.operand(1, 4)
        return key[2], key[3]
    if shapes.needs_gradient(0) and shapes.needs_gradient(2):
        return shapes.operand(2, 4)[2], shapes.operand(0, 4)[3]
    key = shapes.operand(1, 4, saved="key")
    return key[2], key[3]


def _four_bit_product(shapes: NodeShapes) -> NodeCost:
    """bitsandbytes: input [.., inner] times a frozen weight of 4-bit numbers, which gets no gradient."""
    output = shapes.output()
    if shapes.needs_gradient(0):
        inner = shapes.operand(0)[-1]
    else:  # The bias alone is trained. The state of the quantisation knows the weight's shape [columns, inner].
        inner = tuple(shapes.node.state.shape)[-1]
    product = flops(*output, inner)
    return NodeCost(forward=product, per_input=(product,))


def _eight_bit_product(shapes: NodeShapes) -> NodeCost:
    """bitsandbytes: input [.., inner] times a weight of 8-bit numbers, which only has a gradient if it was asked to."""
    inner = shapes.operand(0)[-1] if shapes.needs_gradient(0) else shapes.node.state.CB.shape[-1]
    product = flops(*shapes.output(), inner)
    return NodeCost(forward=product, per_input=(product, product))


def _chunked_head(shapes: NodeShapes) -> NodeCost:
    """TRL: log-probabilities of hidden [rows, inner] times weight [columns, inner], whose logits are computed again."""
    hidden, weight, *_ = read_saved(shapes.node, "_raw_saved_tensors")
    rows, inner = hidden.data.shape
    product = flops(rows, inner, weight.data.shape[0])
    return NodeCost(forward=product, op=product, per_input=(product, product))


_RULES: dict[str, Rule] = {
    "MmBackward0": _matrix_product(0, "self", "mat2"),
    "AddmmBackward0": _matrix_product(1, "mat1", "mat2"),
    "BmmBackward0": _batched_product(0),
    "BaddbmmBackward0": _batched_product(1),
    "AddbmmBackward0": Rule(_addbmm),
    "MvBackward0": _matrix_vector(0),
    "AddmvBackward0": _matrix_vector(1),
    "AddrBackward0": Rule(_addr),
    "DotBackward0": Rule(_dot),
    "VdotBackward0": Rule(_dot),
    "LinearBackward0": Rule(_linear),
    "LinalgSolveTriangularBackward0": Rule(_triangular_solve),
    "LinalgSolveExBackward0": Rule(_solve),
    "LinalgInvExBackward0": Rule(_inverse),
    "LinalgCholeskyExBackward0": Rule(_cholesky),
    "EuclideanDistBackward0": Rule(_euclidean_distance),
    "GroupedMmBackward0": Rule(_grouped_mm),
    "ConvolutionBackward0": Rule(_convolution),
    "ScaledDotProductFlashAttentionForCpuBackward0": Rule(_fused_attention, saves_late=True),
    "ScaledDotProductFlashAttentionBackward0": Rule(_fused_attention, saves_late=True),
    "ScaledDotProductEfficientAttentionBackward0": Rule(_fused_attention, saves_late=True),
    "ScaledDotProductCudnnAttentionBackward0": Rule(_fused_attention, saves_late=True),
}

# Custom functions of libraries, by module and class. A class that happens to have the same name is not meant.
_FUNCTIONS: dict[tuple[str, str], Rule | None] = {
    ("bitsandbytes.autograd._functions", "MatMul4Bit"): Rule(_four_bit_product, saves_late=True),
    ("bitsandbytes.autograd._functions", "MatMul8bitFp"): Rule(_eight_bit_product, saves_late=True),
    ("bitsandbytes.autograd._functions", "MatMul8bitLt"): Rule(_eight_bit_product, saves_late=True),
    # Elementwise.
    ("transformers.models.bloom.modeling_bloom", "GeLUFunction"): None,
    ("transformers.models.phimoe.modeling_phimoe", "PhimoeMultiplier"): None,
    ("transformers.models.recurrent_gemma.modeling_recurrent_gemma", "SqrtBoundDerivative"): None,
    ("transformers.models.rwkv.modeling_rwkv", "RwkvLinearAttention"): None,
    ("transformers.models.sew_d.modeling_sew_d", "XDropout"): None,
    ("transformers.models.sew_d.modeling_sew_d", "XSoftmax"): None,
    ("trl.kernels.chunked_logprob", "ChunkedLogProbFunction"): Rule(_chunked_head, saves_late=True),
    # These pass gradients on, and start the reduction over ranks.
    ("torch.nn.parallel.distributed", "_DDPSink"): None,
    ("torch.distributed.fsdp._fully_shard._fsdp_param_group", "RegisterPostBackwardFunction"): None,
}

# What to do about nodes that are refused, beyond what is said of all.
_MKLDNN = "run forward with torch.backends.mkldnn.enabled = False, so that its products are operators of their own"
_CUDNN = "run forward with torch.backends.cudnn.enabled = False, so that its products are operators of their own"
_WAYS_OUT = {"MkldnnRnnLayerBackward0": _MKLDNN, "CudnnRnnBackward0": _CUDNN}

# What users have registered, by the node's name.
_registered: dict[str, Rule] = {}


def rule_of(name: str, node: Node) -> Rule | None:
    """Returns the rule for a node, or None if it is free.

    Raises:
        Error: UNIMPLEMENTED; the node may hide products.
    """
    rule = _RULES.get(name) or _registered.get(name)
    if rule is not None or name in _FREE_NODES or is_free(name):
        return rule
    if isinstance(node, BackwardCFunction):
        function = getattr(node, "_forward_cls", type(node))
        key = (function.__module__, function.__name__)
        if key in _FUNCTIONS:
            return _FUNCTIONS[key]
    # In-place work on a view. Which operator wrote is hidden, but those that multiply matrices (addmm_, baddbmm_,
    # addbmm_, addmv_, addr_) have three operands.
    if name == _COPY_SLICES and len(node.next_functions) <= 2:
        return None
    raise Error(_refusal(name, node), code="UNIMPLEMENTED", field="loss")


def register_cost(name: str, cost: Callable[[NodeShapes], NodeCost] | None) -> None:
    """Teaches the profiler what a node of the autograd graph costs, for the whole process.

    The cost of a custom ``torch.autograd.Function`` cannot be seen from outside. For one that multiplies
    [rows, inner] by [inner, columns]::

        def cost(shapes: greenplan.NodeShapes) -> greenplan.NodeCost:
            product = 2 * math.prod(shapes.output()) * shapes.operand(0)[-1]
            return greenplan.NodeCost(forward=product, per_input=(product, product))

        greenplan.register_cost("MyProductBackward", cost)

    Args:
        name: The node's name as the refusal shows it, ``"MyProductBackward"`` for a class ``MyProduct``.
        cost: Its cost, given the shapes around the node; None forgets the rule.

    Raises:
        ArgumentError: The name is empty, cost cannot be called, or torch's own rule would be replaced.
    """
    if not isinstance(name, str) or not name:
        raise ArgumentError(f'name is {name!r}; allowed: the name of a node, such as "MyProductBackward"', field="name")
    if name in _RULES or name == LEAF or is_free(name):
        raise ArgumentError(f'name is "{name}", which has a rule already; allowed: nodes without one', field="name")
    if cost is None:
        _registered.pop(name, None)
        return
    if not callable(cost):
        raise ArgumentError(f"cost is {cost!r}; allowed: a function of NodeShapes, or None", field="cost")
    _registered[name] = Rule(lambda shapes: _checked(name, cost(shapes)), saves_late=True)


def _checked(name: str, cost: NodeCost) -> NodeCost:
    """Holds a user's answer to what a profile may contain."""
    if not isinstance(cost, NodeCost):
        raise ArgumentError(f"the cost registered for {name} returned {cost!r}; allowed: a NodeCost", field="cost")
    for value in (cost.forward, cost.op, *cost.per_input):
        if not isinstance(value, int) or value < 0:
            raise ArgumentError(f"the cost registered for {name} holds {value!r}; allowed: integers >= 0", field="cost")
    return cost


def _refusal(name: str, node: Node) -> str:
    if name.startswith("CompiledFunction"):
        return (
            f"autograd node {name} is a graph of torch.compile, which hides its products; profile the model before it "
            "is compiled, or with compilation disabled"
        )
    if isinstance(node, BackwardCFunction):
        return (
            f"autograd node {name} is a custom torch.autograd.Function, which hides its products; say what it costs "
            f'with greenplan.register_cost("{name}", fn), or switch the kernel that uses it off'
        )
    way_out = _WAYS_OUT.get(name, "use operators that torch differentiates itself")
    return (
        f"autograd node {name} has no cost rule and is not known to be free of matrix products; {way_out}, or say what "
        f'it costs with greenplan.register_cost("{name}", fn)'
    )
