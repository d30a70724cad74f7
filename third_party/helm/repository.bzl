"""Makes one target of the program helm, with which tests render the chart in deploy/.

The environment variable HELM names the program; `./dev` sets it. Where it is not installed, the target is empty, and the
test that needs it says so.
"""

_BUILD = """
filegroup(
    name = "helm",
    srcs = {srcs},
    visibility = ["//visibility:public"],
)
"""

def _helm_repository_impl(ctx):
    helm = ctx.os.environ.get("HELM", "")
    if not helm:
        cache = ctx.os.environ.get("XDG_CACHE_HOME", "") or ctx.os.environ.get("HOME", "") + "/.cache"
        helm = cache + "/greenplan/helm-4.1.4/helm"
    exists = ctx.path(helm).exists
    if exists:
        ctx.symlink(helm, "bin/helm")
    ctx.file("BUILD", _BUILD.format(srcs = '["bin/helm"]' if exists else "[]"))

helm_repository = repository_rule(
    implementation = _helm_repository_impl,
    environ = ["HELM", "HOME", "XDG_CACHE_HOME"],
    local = True,
)
