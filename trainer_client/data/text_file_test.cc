#include "trainer_client/data/text_file.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

using namespace std::string_literals;
using ::testing::HasSubstr;

TEST(TextOfTest, ReturnsUtf8AsItIs) {
  for (const std::string& text :
       {""s, "PAR1 is a gene"s, "plain\r\n\ttext"s, "\u00e9\u20ac\uffff\U0010ffff\u0080\ud7ff"s}) {
    const auto result = TextOf(text);
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(*result, text);
  }
}

TEST(TextOfTest, SkipsOneByteOrderMarkAtTheBeginning) {
  EXPECT_EQ(*TextOf("\xef\xbb\xbftext"), "text");
  EXPECT_EQ(*TextOf("a\xef\xbb\xbf"), "a\xef\xbb\xbf");
}

TEST(TextOfTest, NamesTheFirstByteThatIsNotUtf8) {
  const struct {
    std::string file;
    const char* message;
  } cases[] = {
      {"caf\xe9 au lait", "byte 3 is 0xE9"},    // Latin-1.
      {"ab\x80", "byte 2 is 0x80"},             // A continuation alone.
      {"a\xc0\xaf", "byte 1 is 0xC0"},          // Overlong, of two bytes
      {"a\xe0\x80\xaf", "byte 1 is 0xE0"},      // and of three.
      {"a\xed\xa0\x80", "byte 1 is 0xED"},      // A surrogate.
      {"a\xf4\x90\x80\x80", "byte 1 is 0xF4"},  // Above U+10FFFF.
      {"abc\xe2\x82", "byte 3 is 0xE2"},        // Cut off.
      {"\xc3\xa9\xff", "byte 2 is 0xFF"},
  };
  for (const auto& [file, message] : cases) {
    const absl::Status status = TextOf(file).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("is not UTF-8: "s + message + "; save it as UTF-8"));
  }
}

TEST(TextOfTest, SaysWhatAFileIsInsteadOfText) {
  const struct {
    std::string file;
    const char* message;
  } cases[] = {
      {"\x1f\x8b\x08", "is compressed by gzip; decompress it first, with gunzip (byte 1 is 0x8B)"},
      {"\x28\xb5\x2f\xfd", "is compressed by zstd"},
      {"\xfd\x37zXZ\x00"s, "is compressed by xz"},
      {"BZh9"
       "\0"s,
       "is compressed by bzip2"},
      {"PK\x03\x04"
       "\0"s,
       "is a zip archive"},
      {"PAR1"
       "\0"s,
       "is a Parquet table"},
      {"\xff\xfeT\0"s, "is UTF-16; save it as UTF-8: iconv -f utf-16 -t utf-8 (byte 0 is 0xF"},
      {"\xfe\xff\0T"s, "is UTF-16; save it as UTF-8: iconv -f utf-16 -t utf-8 (byte 0 is 0xF"},
      {"T\0e\0"s, "is not text: byte 1 is 0x00"},
  };
  for (const auto& [file, message] : cases) {
    EXPECT_THAT(std::string(TextOf(file).status().message()), HasSubstr(message));
  }
}

}  // namespace
}  // namespace greenplan::trainer
