"""A test that a target's dependencies stay within its layer."""

def layer_test(name, target, forbidden):
    """Fails if a dependency of `target` matches `forbidden`, a Perl regular expression anchored at the label's start.

    Args:
      name: the name of the layer.
      target: the label of the layer's target.
      forbidden: matches the labels that must not be among deps(target).
    """
    native.genquery(
        name = name + "_deps",
        expression = "kind('cc_.*', deps(%s))" % target,
        scope = [target],
    )
    native.sh_test(
        name = name + "_test",
        size = "small",
        srcs = ["layer_test.sh"],
        args = ["$(location :%s_deps)" % name, "'%s'" % forbidden],
        data = [":%s_deps" % name],
    )
