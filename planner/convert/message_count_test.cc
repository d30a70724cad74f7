#include "planner/convert/message_count.h"

#include <string>

#include "gtest/gtest.h"
#include "planner/convert/test_messages.h"

namespace greenplan {
namespace {

int64_t CountInProfile(absl::string_view bytes) { return CountMessages(*v1::ModelProfile::descriptor(), bytes); }

TEST(CountMessagesTest, CountsEachMessageAtAnyDepth) {
  v1::ModelProfile profile;
  EXPECT_EQ(CountInProfile(profile.SerializeAsString()), 0);
  profile.set_model("a name is no message");
  profile.add_blocks()->set_name("block");
  for (int i = 0; i < 3; ++i) {
    v1::Op& op = *profile.add_ops();
    for (int e = 0; e < i; ++e) op.add_inputs()->set_op(i);
  }
  profile.add_tensors()->add_shape(7);
  EXPECT_EQ(CountInProfile(profile.SerializeAsString()), 1 + 3 + 3 + 1);
}

TEST(CountMessagesTest, EndsWhereTheBytesAreNoMessage) {
  const std::string bytes = SmallProfile().SerializeAsString();
  const int64_t whole = CountInProfile(bytes);
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_LE(CountInProfile(bytes.substr(0, size)), whole) << size;
  EXPECT_EQ(CountInProfile("\xff\xff\xff\xff"), 0);
  EXPECT_EQ(CountInProfile("\x22\x7f"), 0) << "an op of 127 bytes that are not there";
}

TEST(CountMessagesTest, SkipsFieldsThatTheTypeLacks) {
  EXPECT_EQ(CountInProfile(std::string("\xfa\x01\x02zz\x22\x00", 7)), 1) << "field 31, then an op";
}

}  // namespace
}  // namespace greenplan
