#ifndef GREENPLAN_PROTO_REFERENCE_API_REFERENCE_H_
#define GREENPLAN_PROTO_REFERENCE_API_REFERENCE_H_

#include <string>

#include "google/protobuf/descriptor.pb.h"

namespace greenplan {

// A page of Markdown about a service, from its .proto file's comments: each RPC with the messages that are declared
// beside the service, then the messages and enums of the files in the same package that it imports.
//
// `files` is what `protoc --include_imports --include_source_info --descriptor_set_out` writes for one .proto file,
// which declares one service. Empty if it is anything else. Thread-safe.
std::string ApiReference(const google::protobuf::FileDescriptorSet& files);

}  // namespace greenplan

#endif  // GREENPLAN_PROTO_REFERENCE_API_REFERENCE_H_
