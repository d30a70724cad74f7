#ifndef GREENPLAN_PLANNER_RPC_PARSED_SIZE_H_
#define GREENPLAN_PLANNER_RPC_PARSED_SIZE_H_

#include <cstdint>
#include <map>
#include <memory>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"

namespace greenplan {

// Estimates how much memory a message takes once it is parsed, without parsing it. An empty message within another one
// takes two bytes on the wire and a hundred in memory, so a request that keeps the limit on its size may still take a
// gigabyte.
//
//   const ParsedSize size(v1::SolveRequest::descriptor());
//   if (size.Estimate(wire, limit) > limit) refuse;
//
// Immutable, thus thread-safe. An estimate costs less than parsing: nothing is allocated or copied.
class ParsedSize {
 public:
  // For messages of this type, which is a generated one.
  explicit ParsedSize(const google::protobuf::Descriptor* type);
  ~ParsedSize();

  // Reads `wire` to its end or to the first error, or until more than `limit` bytes are counted. Returns the count of
  // bytes, what the allocator adds included. It is on the large side: repeated fields may have room for twice their
  // elements.
  int64_t Estimate(google::protobuf::io::CodedInputStream& wire, int64_t limit) const;

 private:
  struct Shape;  // What is to be known of a message type.

  const Shape* ShapeOf(const google::protobuf::Descriptor* type);

  std::map<const google::protobuf::Descriptor*, std::unique_ptr<Shape>> shapes_;
  const Shape* root_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_RPC_PARSED_SIZE_H_
