"""The messages of the planner service, made at run time from their descriptors.

Generated modules would tie the package to the version of protobuf that generated them; descriptors work with any.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

from greenplan.errors import Error

# Names the descriptor set to use in place of the one in this package.
DESCRIPTORS_VARIABLE = "GREENPLAN_DESCRIPTORS"

SERVICE = "greenplan.v1.PlannerService"

# google.rpc's details of an error: (message, its fields as (name, number, type)). Repeated fields end in *.
_DETAILS = (
    ("FieldViolation", (("field", 1, "string"), ("description", 2, "string"))),
    ("BadRequest", (("field_violations*", 1, "FieldViolation"),)),
    ("RetryInfo", (("retry_delay", 1, "google.protobuf.Duration"),)),
    ("Status", (("code", 1, "int32"), ("message", 2, "string"), ("details*", 3, "google.protobuf.Any"))),
)


def message(name: str) -> Any:
    """Returns a message's class.

    Args:
        name: Such as ``"greenplan.v1.Job"`` or ``"google.rpc.BadRequest"``.

    Raises:
        Error: FAILED_PRECONDITION if protobuf or the descriptors are missing.
    """
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(name))


@functools.cache
def _pool() -> Any:
    from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, duration_pb2

    path = Path(os.environ.get(DESCRIPTORS_VARIABLE) or Path(__file__).with_name("planner_service.binpb"))
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    except OSError as error:
        raise Error(
            f"the descriptors of the planner service cannot be read: {error}; install the wheel of greenplan",
            code="FAILED_PRECONDITION",
            field=DESCRIPTORS_VARIABLE,
        ) from None
    pool = descriptor_pool.DescriptorPool()
    known = set()
    for file in files:  # In the order of their imports.
        pool.AddSerializedFile(file.SerializeToString())
        known.add(file.name)
    for module in (any_pb2, duration_pb2):
        if module.DESCRIPTOR.name not in known:
            pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(_details_file().SerializeToString())
    return pool


def _details_file() -> Any:
    from google.protobuf import descriptor_pb2

    imports = ["google/protobuf/any.proto", "google/protobuf/duration.proto"]
    file = descriptor_pb2.FileDescriptorProto(
        name="greenplan/error_details.proto", package="google.rpc", syntax="proto3", dependency=imports
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    scalars = {"string": kinds.TYPE_STRING, "int32": kinds.TYPE_INT32}
    for name, fields in _DETAILS:
        described = file.message_type.add(name=name)
        for field_name, number, kind in fields:
            field = described.field.add(name=field_name.rstrip("*"), number=number)
            field.label = kinds.LABEL_REPEATED if field_name.endswith("*") else kinds.LABEL_OPTIONAL
            field.type = scalars.get(kind, kinds.TYPE_MESSAGE)
            if kind not in scalars:
                field.type_name = f".{kind}" if "." in kind else f".google.rpc.{kind}"
    return file
