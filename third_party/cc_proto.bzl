"""Generates and compiles the C++ code of .proto files with the system's protoc."""

def cc_proto(name, srcs, deps = [], grpc = False, **kwargs):
    """Makes a cc_library of the messages in `srcs` or, if grpc is True, of the services in them.

    Args:
      name: the name of the library.
      srcs: .proto files of this package, which must be below //proto.
      deps: the cc_proto libraries of the files that these import.
      grpc: whether to generate the stubs of the services instead of the messages.
      **kwargs: further attributes of the cc_library, such as visibility.
    """
    ending = ".grpc.pb" if grpc else ".pb"
    stems = [src[:-len(".proto")] for src in srcs]
    headers = [stem + ending + ".h" for stem in stems]
    sources = [stem + ending + ".cc" for stem in stems]
    root = "$(RULEDIR)" + "/.." * native.package_name().count("/")
    flags = "--grpc_out=%s --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin" % root if grpc else "--cpp_out=%s" % root
    native.genrule(
        name = name + "_generated",
        srcs = native.glob(["*.proto"]),
        outs = headers + sources,
        cmd = "/usr/bin/protoc -Iproto %s %s" % (flags, " ".join(["$(location %s)" % src for src in srcs])),
        visibility = ["//visibility:private"],
    )
    native.cc_library(
        name = name,
        srcs = sources,
        hdrs = headers,
        copts = ["-w"],
        strip_include_prefix = "/proto",
        deps = deps + (["@system//:grpc"] if grpc else ["@system//:protobuf"]),
        **kwargs
    )
