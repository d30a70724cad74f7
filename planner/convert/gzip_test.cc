#include "planner/convert/gzip.h"

#include <string>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

// Text that does not compress to nothing.
std::string Text(size_t size) {
  std::string text;
  for (uint32_t state = 1; text.size() < size; state = state * 1664525 + 1013904223) text += "abcdefgh"[state >> 29];
  return text;
}

void ExpectRefused(const std::string& bytes, const std::string& message) {
  const auto content = Gunzip(bytes);
  EXPECT_EQ(content.status().code(), absl::StatusCode::kInvalidArgument) << bytes.size() << " bytes";
  EXPECT_EQ(content.status().message(), message) << bytes.size() << " bytes";
}

TEST(GzipTest, ReadsBackWhatWasWritten) {
  for (const std::string& text : {std::string(), std::string("x"), Text(65535), Text(65536), Text(65537), Text(500000),
                                  std::string(3000000, '\0')}) {
    const auto content = Gunzip(Gzip(text));
    ASSERT_TRUE(content.ok()) << content.status() << " at " << text.size();
    EXPECT_TRUE(*content == text) << text.size();
  }
}

TEST(GzipTest, HoldsNoNameAndNoTime) {
  const std::string bytes = Gzip("text");
  ASSERT_GT(bytes.size(), 10u);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x1f\x8b\x08\0\0\0\0\0", 8)) << "flags and time are 0";
  EXPECT_EQ(bytes, Gzip("text"));
}

TEST(GzipTest, ReadsSeveralMembers) {
  EXPECT_EQ(*Gunzip(Gzip("a") + Gzip("") + Gzip("bc")), "abc");
  EXPECT_EQ(*Gunzip(Gzip(Text(65536)) + Gzip("end")), Text(65536) + "end");
}

TEST(GzipTest, EveryTruncationIsDetected) {
  const std::string text = Text(300);
  const std::string bytes = Gzip(text);
  for (size_t size = 0; size < bytes.size(); ++size) ExpectRefused(bytes.substr(0, size), "is truncated gzip");
  for (size_t size = 1; size < bytes.size(); ++size) ExpectRefused(bytes + bytes.substr(0, size), "is truncated gzip");
}

TEST(GzipTest, RefusesWhatIsDamagedOrNoGzip) {
  ExpectRefused("{\"model\": \"x\"}", "is not gzip, or damaged");
  ExpectRefused(Gzip("text") + "more", "is not gzip, or damaged");
  std::string wrong_checksum = Gzip("text");
  wrong_checksum[wrong_checksum.size() - 8] ^= 1;
  ExpectRefused(wrong_checksum, "is not gzip, or damaged");
  std::string wrong_length = Gzip("text");
  wrong_length.back() ^= 1;
  ExpectRefused(wrong_length, "is not gzip, or damaged");
}

TEST(GzipTest, StopsAtTheLimit) {
  const std::string bytes = Gzip(std::string(10000000, 'x'));
  EXPECT_TRUE(Gunzip(bytes, 10000000).ok());
  const auto content = Gunzip(bytes, 9999999);
  EXPECT_EQ(content.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(content.status().message(), "holds more than 9999999 bytes");
  EXPECT_EQ(Gunzip(Gzip("ab") + Gzip("cd"), 3).status().message(), "holds more than 3 bytes");
}

}  // namespace
}  // namespace greenplan
