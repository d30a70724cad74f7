#include "planner/rpc/parsed_size.h"

#include <string>
#include <vector>

#include "google/protobuf/message.h"
#include "google/protobuf/wire_format_lite.h"

namespace greenplan {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// What glibc's allocator adds to each block.
constexpr int64_t kBlockBytes = 16;
// A place in a repeated field or among the unknown ones, of which up to half are free. One for an unknown field takes
// 16 bytes, and any field may be unknown: its number may be ours, but not its type.
constexpr int64_t kPlaceBytes = 2 * 16;
// A string, or an unknown field, without what it holds.
constexpr int64_t kStringBytes = sizeof(std::string) + kBlockBytes;
// A group, which only unknown fields can be.
constexpr int64_t kGroupBytes = 64;
// Fields of higher numbers count as unknown; no message of ours has one.
constexpr int kMaxFieldNumber = 100;
// As protobuf's own limit.
constexpr int kMaxDepth = 100;

}  // namespace

struct ParsedSize::Shape {
  struct Field {
    const Shape* message = nullptr;  // Null unless the field is a message.
    int64_t bytes_per_wire_byte = 1;
  };

  // Counts what `wire` holds up to its limit.
  void Count(CodedInputStream& wire, int depth, int64_t limit, int64_t& bytes) const;
  // Counts a field with a length. Returns false at an error.
  bool CountDelimited(CodedInputStream& wire, uint32_t number, int depth, int64_t limit, int64_t& bytes) const;

  int64_t empty_bytes = 0;    // Of the message without its fields.
  std::vector<Field> fields;  // By number.
};

void ParsedSize::Shape::Count(CodedInputStream& wire, int depth, int64_t limit, int64_t& bytes) const {
  for (uint32_t tag = wire.ReadTagNoLastTag(); tag != 0 && bytes <= limit; tag = wire.ReadTagNoLastTag()) {
    uint64_t ignored = 0;
    const WireFormatLite::WireType type = WireFormatLite::GetTagWireType(tag);
    if (type == WireFormatLite::WIRETYPE_END_GROUP) continue;
    bytes += kPlaceBytes;
    switch (type) {
      case WireFormatLite::WIRETYPE_VARINT:
        if (!wire.ReadVarint64(&ignored)) return;
        break;
      case WireFormatLite::WIRETYPE_FIXED64:
        if (!wire.Skip(8)) return;
        break;
      case WireFormatLite::WIRETYPE_FIXED32:
        if (!wire.Skip(4)) return;
        break;
      case WireFormatLite::WIRETYPE_LENGTH_DELIMITED:
        if (!CountDelimited(wire, WireFormatLite::GetTagFieldNumber(tag), depth, limit, bytes)) return;
        break;
      default:  // The fields of a group follow like others.
        bytes += kGroupBytes;
    }
  }
}

bool ParsedSize::Shape::CountDelimited(CodedInputStream& wire, uint32_t number, int depth, int64_t limit,
                                       int64_t& bytes) const {
  uint32_t length = 0;
  if (!wire.ReadVarint32(&length)) return false;
  const Field field = number < fields.size() ? fields[number] : Field();
  if (field.message == nullptr) {
    bytes += kStringBytes + field.bytes_per_wire_byte * int64_t{length};
    return wire.Skip(static_cast<int>(length));
  }
  if (depth == kMaxDepth) return false;
  bytes += field.message->empty_bytes + kBlockBytes;
  const CodedInputStream::Limit outer = wire.PushLimit(static_cast<int>(length));
  field.message->Count(wire, depth + 1, limit, bytes);
  const bool is_whole = wire.BytesUntilLimit() == 0;
  wire.PopLimit(outer);
  return is_whole;
}

ParsedSize::ParsedSize(const Descriptor* type) : root_(ShapeOf(type)) {}
ParsedSize::~ParsedSize() = default;

int64_t ParsedSize::Estimate(CodedInputStream& wire, int64_t limit) const {
  int64_t bytes = root_->empty_bytes;
  root_->Count(wire, 0, limit, bytes);
  return bytes;
}

const ParsedSize::Shape* ParsedSize::ShapeOf(const Descriptor* type) {
  std::unique_ptr<Shape>& shape = shapes_[type];
  if (shape != nullptr) return shape.get();
  shape = std::make_unique<Shape>();
  Shape* const result = shape.get();  // The reference does not outlive the next insertion.
  result->empty_bytes =
      static_cast<int64_t>(google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->SpaceUsedLong());
  for (int i = 0; i < type->field_count(); ++i) {
    const FieldDescriptor* field = type->field(i);
    if (field->number() > kMaxFieldNumber) continue;
    if (result->fields.size() <= static_cast<size_t>(field->number())) result->fields.resize(field->number() + 1);
    Shape::Field& entry = result->fields[field->number()];
    if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      entry.message = ShapeOf(field->message_type());
    } else if (field->cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
      // Packed numbers. A fixed one takes as much in memory, and one of a byte on the wire up to eight.
      const WireFormatLite::WireType wire_type =
          WireFormatLite::WireTypeForFieldType(static_cast<WireFormatLite::FieldType>(field->type()));
      entry.bytes_per_wire_byte = wire_type == WireFormatLite::WIRETYPE_VARINT ? 2 * 8 : 2;
    }
  }
  return result;
}

}  // namespace greenplan
