"""Links a shared library that shows nothing but its own interface."""

def _ours(label):
    return label != None and label.workspace_name == ""

def _sealed_library_impl(ctx):
    archives = []
    whole = []
    for dep in ctx.attr.deps:
        for linker_input in dep[CcInfo].linking_context.linker_inputs.to_list():
            if not _ours(linker_input.owner):
                continue
            for library in linker_input.libraries:
                archive = library.pic_static_library or library.static_library
                if archive == None:
                    fail("%s has no archive" % linker_input.owner)
                if library.alwayslink:
                    whole.append(archive)
                else:
                    archives.append(archive)
    archives = depset(archives).to_list()
    whole = depset(whole).to_list()

    # One group, because the archives of Abseil depend on each other in both directions.
    arguments = ["-shared", "-o", ctx.outputs.library.path, "-Wl,-soname,%s" % ctx.outputs.library.basename]
    arguments += ["-Wl,--version-script=" + ctx.file.exports.path, "-Wl,--no-undefined", "-Wl,--gc-sections"]
    arguments += ["-Wl,--build-id=none", "-static-libstdc++", "-shared-libgcc"] + ctx.attr.linkopts
    arguments += ["-Wl,--whole-archive"] + [archive.path for archive in whole] + ["-Wl,--no-whole-archive"]
    arguments += ["-Wl,--start-group"] + [archive.path for archive in archives]
    arguments += ["$(ls /usr/lib/*-linux-gnu/%s)" % archive for archive in ctx.attr.system_archives]
    arguments += ["-Wl,--end-group", "-lm", "-pthread"]
    ctx.actions.run_shell(
        inputs = archives + whole + [ctx.file.exports],
        outputs = [ctx.outputs.library],
        command = "/usr/bin/g++ " + " ".join(arguments),
        use_default_shell_env = True,
        mnemonic = "SealedLink",
        progress_message = "Linking %s" % ctx.outputs.library.short_path,
    )
    return [DefaultInfo(files = depset([ctx.outputs.library]), runfiles = ctx.runfiles(files = [ctx.outputs.library]))]

sealed_library = rule(
    doc = """Links `deps` and everything of this workspace behind them into lib{name}.so.

System libraries are linked from their archives, not as dependencies, so that the library loads wherever the C library
does and meets no other copy of them in the process. `exports` is a linker version script that lists what is visible.""",
    implementation = _sealed_library_impl,
    attrs = {
        "deps": attr.label_list(providers = [CcInfo]),
        "exports": attr.label(allow_single_file = True, mandatory = True),
        "linkopts": attr.string_list(),
        "system_archives": attr.string_list(doc = "File names below /usr/lib/*-linux-gnu; may hold wildcards."),
    },
    outputs = {"library": "lib%{name}.so"},
)
