#include "planner/convert/message_count.h"

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"

namespace greenplan {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

int64_t CountMessages(const Descriptor& type, absl::string_view bytes) {
  CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
  int64_t count = 0;
  while (const uint32_t tag = input.ReadTag()) {
    const FieldDescriptor* field = type.FindFieldByNumber(WireFormatLite::GetTagFieldNumber(tag));
    const bool is_message = field != nullptr && field->type() == FieldDescriptor::TYPE_MESSAGE &&
                            WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
    if (!is_message) {
      if (!WireFormatLite::SkipField(&input, tag)) break;
      continue;
    }
    int size = 0;
    if (!input.ReadVarintSizeAsInt(&size)) break;
    const int begin = input.CurrentPosition();
    if (!input.Skip(size)) break;
    count += 1 + CountMessages(*field->message_type(), bytes.substr(begin, size));
  }
  return count;
}

}  // namespace greenplan
