#include "planner/store/sqlite/checksum.h"

#include <memory>
#include <set>
#include <string>

#include "gtest/gtest.h"
#include "planner/store/sqlite/database.h"

namespace greenplan {
namespace {

class ChecksumTest : public ::testing::Test {
 protected:
  int64_t Checksum(const std::string& values) {
    const auto number = database_->QueryNumber("SELECT greenplan_crc32(" + values + ")");
    EXPECT_TRUE(number.ok()) << number.status();
    return *number;
  }

  const std::unique_ptr<Database> database_ = *Database::Open(":memory:");
};

// Files outlive the program, so it must stay as it is.
TEST_F(ChecksumTest, IsTheSameForEver) {
  EXPECT_EQ(Checksum(""), 0);
  // zlib.crc32(struct.pack("<QQ", 1, 1)), and zlib.crc32(struct.pack("<QQQQ3sQq", 1, 1, 4, 3, b"\0\xff\x80", 1, -5)).
  EXPECT_EQ(Checksum("1"), 2390350426);
  EXPECT_EQ(Checksum("1, x'00ff80', -5"), 3682970828);
}

TEST_F(ChecksumTest, TellsValuesApartThatHoldTheSameBytes) {
  std::set<int64_t> sums;
  const std::string cases[] = {
      "0",     "1", "0, 0", "x''", "x'', x''", "x'00'", "x'0000'", "x'00', x'00'", "x'0000', x''", "x'', x'0000'",
      "x'01'", "4", "-1"};
  for (const std::string& values : cases) sums.insert(Checksum(values));
  EXPECT_EQ(sums.size(), std::size(cases));
}

TEST_F(ChecksumTest, EveryFlippedBitChangesIt) {
  const int64_t sum = Checksum("7, x'0123456789abcdef'");
  for (int bit = 0; bit < 64; ++bit) {
    std::string blob;
    for (int byte = 0; byte < 8; ++byte) {
      const int value = (byte * 0x22 + 1) ^ (byte == bit / 8 ? 1 << bit % 8 : 0);
      blob += "0123456789abcdef"[value >> 4 & 15];
      blob += "0123456789abcdef"[value & 15];
    }
    EXPECT_NE(Checksum("7, x'" + blob + "'"), sum) << bit;
  }
}

TEST_F(ChecksumTest, OtherKindsOfValuesHaveNone) {
  for (const char* value : {"NULL", "1.5", "'text'", "1, NULL"}) {
    EXPECT_EQ(*database_->QueryNumber(std::string("SELECT greenplan_crc32(") + value + ") IS NULL"), 1) << value;
  }
}

}  // namespace
}  // namespace greenplan
