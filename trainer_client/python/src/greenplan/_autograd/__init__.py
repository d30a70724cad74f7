"""Reads the cost model of a training step off the autograd graph behind a loss.

Start at ``reading``, which puts the parts together: ``graph_walk`` lists the nodes, ``rules`` prices them,
``saved_tensors`` tells what they keep, ``residual_blocks`` finds x + f(x), ``checkpoint`` deals with activations that
are computed again, ``saved_bytes`` books memory and ``contraction`` shortens the result. All of it uses what torch's
nodes tell about themselves from Python, and never the value of a saved tensor.

This package imports torch; ``greenplan`` imports it on demand.
"""
