"""Fuzz targets: one source that defines LLVMFuzzerTestOneInput, built in two ways."""

def fuzz_target(name, deps, **kwargs):
    """Declares the fuzzer NAME and the test NAME_replay_test.

    The fuzzer is libFuzzer's program; `./dev fuzz NAME` builds it with clang and runs it. The test runs the committed
    corpus, the files below corpus/NAME, once through the same code, with the default compiler.

    Args:
      name: the target's name. Its source is NAME.cc.
      deps: what the source uses.
      **kwargs: passed to the test, such as `size`.
    """
    native.cc_library(
        name = name + "_target",
        testonly = True,
        srcs = [name + ".cc"],
        deps = deps,
        alwayslink = True,
    )
    native.cc_binary(
        name = name,
        testonly = True,
        linkopts = ["-fsanitize=fuzzer"],
        tags = [
            "fuzz",
            "manual",
        ],
        deps = [":" + name + "_target"],
    )
    native.cc_test(
        name = name + "_replay_test",
        srcs = ["replay.cc"],
        args = ["tests/fuzz/corpus/" + name],
        data = native.glob(["corpus/" + name + "/*"]),
        deps = [":" + name + "_target"],
        **kwargs
    )
