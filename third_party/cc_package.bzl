"""Packs C++ libraries for an installation: one archive and one tar of headers."""

def _ours(label):
    return label != None and label.workspace_name == ""

def _cc_package_impl(ctx):
    archives = []
    headers = []
    for dep in ctx.attr.deps:
        for linker_input in dep[CcInfo].linking_context.linker_inputs.to_list():
            if _ours(linker_input.owner):
                archives += [lib.static_library or lib.pic_static_library for lib in linker_input.libraries]
        headers += [header for header in dep[CcInfo].compilation_context.headers.to_list() if _ours(header.owner)]
    archives = [archive for archive in depset(archives).to_list() if archive]

    script = ctx.actions.declare_file(ctx.label.name + ".mri")
    ctx.actions.write(script, "\n".join(
        ["create " + ctx.outputs.archive.path] + ["addlib " + archive.path for archive in archives] + ["save", "end", ""],
    ))
    ctx.actions.run_shell(
        inputs = archives + [script],
        outputs = [ctx.outputs.archive],
        command = "ar -M < %s && ranlib %s" % (script.path, ctx.outputs.archive.path),
    )

    # A generated header is listed twice: where it was generated, and below _virtual_includes under the path by which
    # #include finds it. Only the latter is taken.
    copies = []
    for header in depset(headers).to_list():
        path = header.short_path
        if "/_virtual_includes/" in path:
            path = path.split("/_virtual_includes/")[1].split("/", 1)[1]
        elif not header.is_source:
            continue
        copies.append("install -D -m 644 %s %s/%s" % (header.path, "$staging", path))
    ctx.actions.run_shell(
        inputs = headers,
        outputs = [ctx.outputs.headers],
        command = "set -e; staging=$(mktemp -d); %s; tar --sort=name --mtime=@0 --owner=0 --group=0 -cf %s -C $staging .; rm -rf $staging" % (
            "; ".join(copies),
            ctx.outputs.headers.path,
        ),
    )

cc_package = rule(
    doc = "Merges this workspace's objects behind `deps` into `archive` and their headers into the tar `headers`.",
    implementation = _cc_package_impl,
    attrs = {"deps": attr.label_list(providers = [CcInfo])},
    outputs = {
        "archive": "lib%{name}.a",
        "headers": "%{name}_headers.tar",
    },
)
