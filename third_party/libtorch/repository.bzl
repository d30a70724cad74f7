"""Makes one target of LibTorch, from the folder of a Python torch package or of an unpacked LibTorch.

The environment variable LIBTORCH names that folder; `./dev` sets it. Only torch's own headers are exposed, because the
folder also holds headers of protobuf and fmt, which would shadow the system's.
"""

_HEADERS = ["torch", "ATen", "c10", "caffe2"]

_BUILD = """
cc_library(
    name = "libtorch",
    hdrs = glob(["include/**"]),
    # The released libraries are built with NDEBUG, and without it at::RecordFunction has a different layout.
    defines = ["NDEBUG"],
    includes = ["include", "include/torch/csrc/api/include"],
    linkopts = [
        "-L{lib}",
        "-Wl,-rpath,{lib}",
        "-Wl,--no-as-needed",
        # PyTorch's wheels also export functions of the C++ library, std::filesystem's among them. Ours must come first.
        "-lstdc++",
        {libraries}
        "-Wl,--as-needed",
        {more}
    ],
    visibility = ["//visibility:public"],
)
"""

_MISSING = """
genrule(
    name = "missing",
    outs = ["missing.cc"],
    cmd = "echo 'LibTorch is not installed: run ./dev build once, or name the folder of a torch package in LIBTORCH.' >&2; exit 1",
)

cc_library(
    name = "libtorch",
    srcs = [":missing"],
    visibility = ["//visibility:public"],
)
"""

def _libtorch_repository_impl(ctx):
    root = ctx.os.environ.get("LIBTORCH", "")
    if not root:
        cache = ctx.os.environ.get("XDG_CACHE_HOME", "") or ctx.os.environ.get("HOME", "") + "/.cache"
        root = cache + "/greenplan/libtorch-2.13.0/torch"
    if not ctx.path(root + "/lib/libtorch_cpu.so").exists:
        ctx.file("BUILD", _MISSING)
        return
    for name in _HEADERS:
        ctx.symlink(root + "/include/" + name, "include/" + name)
    libraries = ["torch", "torch_cpu", "c10"]
    more = ""
    if ctx.path(root + "/lib/libtorch_cuda.so").exists:
        libraries += ["torch_cuda", "c10_cuda"]

        # NVIDIA's libraries, which a CUDA LibTorch needs, lie in packages of their own. They need not be on the machine
        # that builds.
        more = '"-Wl,--unresolved-symbols=ignore-in-shared-libs",'
    ctx.file("BUILD", _BUILD.format(
        lib = root + "/lib",
        libraries = "".join(['"-l%s", ' % name for name in libraries]),
        more = more,
    ))

libtorch_repository = repository_rule(
    implementation = _libtorch_repository_impl,
    environ = ["LIBTORCH", "HOME", "XDG_CACHE_HOME"],
    local = True,
)
