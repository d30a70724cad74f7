"""C++ of .proto files by the system's protoc."""

def cc_proto(name, srcs, deps = [], grpc = False, **kwargs):
    """A cc_library of the messages in `srcs`, or (grpc = True) of the services in them.

    Args:
      name: the library.
      srcs: .proto files of this package, which lies under //proto.
      deps: cc_proto libraries that the files import.
      grpc: the services' stubs instead of the messages.
      **kwargs: visibility and the like.
    """
    ending = ".grpc.pb" if grpc else ".pb"
    stems = [src[:-len(".proto")] for src in srcs]
    headers = [stem + ending + ".h" for stem in stems]
    sources = [stem + ending + ".cc" for stem in stems]
    flags = "--grpc_out=$(RULEDIR)/../.. --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin" if grpc else "--cpp_out=$(RULEDIR)/../.."
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
