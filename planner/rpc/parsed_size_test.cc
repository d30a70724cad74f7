#include "planner/rpc/parsed_size.h"

#include <limits>
#include <string>

#include "greenplan/v1/planner_service.pb.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

template <typename Message>
int64_t Estimate(const std::string& wire, int64_t limit = kNoLimit) {
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(wire.data()),
                                                static_cast<int>(wire.size()));
  return ParsedSize(Message::descriptor()).Estimate(stream, limit);
}

// Parses `wire` and expects that the estimate is no less than what the message takes, and not many times as much.
template <typename Message>
void ExpectCovers(const std::string& wire, double most) {
  Message message;
  ASSERT_TRUE(message.ParseFromString(wire));
  const auto used = static_cast<double>(message.SpaceUsedLong());
  EXPECT_GE(static_cast<double>(Estimate<Message>(wire)), used);
  EXPECT_LE(static_cast<double>(Estimate<Message>(wire)), most * used);
}

TEST(ParsedSizeTest, CoversAProfileAndAReport) {
  v1::SolveRequest request;
  for (int i = 0; i < 1000; ++i) {
    v1::Op* op = request.mutable_profile()->add_ops();
    op->set_name("a name that is longer than a short string " + std::to_string(i));
    op->set_cost(1'000'000 + i);
    op->add_inputs()->set_op(i + 1);
    v1::Tensor* tensor = request.mutable_profile()->add_tensors();
    tensor->set_name("layer." + std::to_string(i));
    tensor->add_shape(4096);
    tensor->add_shape(4096);
    request.mutable_importance()->add_importance(i);
    request.mutable_importance()->add_unmeasured(i % 100);
    request.mutable_options()->add_always("layer." + std::to_string(i));
  }
  ExpectCovers<v1::SolveRequest>(request.SerializeAsString(), 3);
}

// What takes least on the wire for what it takes in memory.
TEST(ParsedSizeTest, CoversEmptyMessagesEmptyTextAndUnknownFields) {
  std::string ops, unknown_texts, unknown_numbers, groups;
  for (int i = 0; i < 1000; ++i) {
    ops += std::string("\x22\x00", 2);
    unknown_texts += std::string("\xfa\x01\x00", 3);
    unknown_numbers += std::string("\xf8\x01\x00", 3);
    groups += "\xfb\x01\xfc\x01";
  }
  ExpectCovers<v1::ModelProfile>(ops, 3);
  ExpectCovers<v1::ModelProfile>(unknown_texts, 3);
  ExpectCovers<v1::ModelProfile>(unknown_numbers, 3);
  ExpectCovers<v1::ModelProfile>(groups, 3);
  v1::PlanOptions options;
  for (int i = 0; i < 1000; ++i) options.add_always("");
  ExpectCovers<v1::PlanOptions>(options.SerializeAsString(), 3);
  v1::Tensor tensor;
  for (int i = 0; i < 1000; ++i) tensor.add_shape(1);
  ExpectCovers<v1::Tensor>(tensor.SerializeAsString(), 3);
}

TEST(ParsedSizeTest, EndsAtTheLimitAndAtTheFirstError) {
  std::string ops;
  for (int i = 0; i < 100'000; ++i) ops += std::string("\x22\x00", 2);
  EXPECT_LT(Estimate<v1::ModelProfile>(ops, 10'000), 20'000);
  EXPECT_GT(Estimate<v1::ModelProfile>(ops, 10'000), 10'000);
  EXPECT_LT(Estimate<v1::ModelProfile>("\x22\xff\xff\xff\x7f"), 1000);
  EXPECT_LT(Estimate<v1::ModelProfile>("\x22"), 1000);
  EXPECT_LT(Estimate<v1::ModelProfile>("\xff\xff\xff\xff\xff\xff"), 1000);
}

}  // namespace
}  // namespace greenplan
