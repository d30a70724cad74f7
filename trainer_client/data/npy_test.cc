#include "trainer_client/data/npy.h"

#include <random>
#include <string>

#include "gtest/gtest.h"

namespace greenplan::trainer {
namespace {

std::string Npy(const std::string& header, const std::string& data, char version = 1) {
  std::string file("\x93NUMPY", 6);
  file += version;
  file += '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) file += static_cast<char>(header.size() >> (8 * i) & 0xff);
  return file + header + data;
}

std::string Header(const std::string& type, const std::string& shape) {
  return "{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }   \n";
}

template <typename Element>
std::string Raw(const std::vector<Element>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Element)};
}

TEST(ParseNpyTest, ReadsEveryTypeAndVersion) {
  const std::vector<int64_t> unsigned_values = {0, 65535};
  const std::vector<int64_t> signed_values = {-1, 7};
  for (const char version : {1, 2, 3}) {
    const auto u2 = ParseNpy(Npy(Header("<u2", "(2,)"), Raw<uint16_t>({0, 65535}), version));
    ASSERT_TRUE(u2.ok()) << u2.status();
    EXPECT_EQ(*u2, unsigned_values);
    const auto i4 = ParseNpy(Npy(Header("<i4", "(2,)"), Raw<int32_t>({-1, 7}), version));
    ASSERT_TRUE(i4.ok()) << i4.status();
    EXPECT_EQ(*i4, signed_values);
    const auto i8 = ParseNpy(Npy(Header("<i8", "(2,)"), Raw<int64_t>({-1, 7}), version));
    ASSERT_TRUE(i8.ok()) << i8.status();
    EXPECT_EQ(*i8, signed_values);
  }
  EXPECT_TRUE(ParseNpy(Npy(Header("<i8", "(0,)"), ""))->empty());
}

struct Malformed {
  std::string name;
  std::string file;
  std::string message;
};

class MalformedNpyTest : public testing::TestWithParam<Malformed> {};

TEST_P(MalformedNpyTest, IsRefused) {
  const absl::Status status = ParseNpy(GetParam().file).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(status.message().find(GetParam().message), std::string::npos) << status;
}

INSTANTIATE_TEST_SUITE_P(
    Files, MalformedNpyTest,
    testing::Values(
        Malformed{"Empty", "", "is not a .npy file"}, Malformed{"OtherMagic", "PK\3\4 and so on", "is not a .npy file"},
        Malformed{"Version4", Npy(Header("<i4", "(0,)"), "", 4), "has the .npy version 4; allowed: 1 to 3"},
        Malformed{"HeaderCut", Npy(Header("<i4", "(0,)"), "").substr(0, 30), "ends within its header"},
        Malformed{"LengthCut", Npy("", "", 2).substr(0, 10), "ends within its header"},
        Malformed{"NoDictionary", Npy("[1]", ""), "has the header [1]; needed: "},
        Malformed{"NoShape", Npy("{'descr': '<i4', 'fortran_order': False}", ""), "; needed: "},
        Malformed{"KeyTwice", Npy("{'descr': '<i4', 'descr': '<i8', 'fortran_order': False, 'shape': (0,)}", ""),
                  "; needed: "},
        Malformed{"OpenBracket", Npy("{'descr': '<i4', 'fortran_order': False, 'shape': (0,}", ""), "; needed: "},
        Malformed{"BigEndian", Npy(Header(">i4", "(0,)"), ""), "has the type '>i4'; allowed: '<u2', '<i4', '<i8'"},
        Malformed{"Float", Npy(Header("<f4", "(0,)"), ""), "has the type '<f4'"},
        Malformed{"Fortran", Npy("{'descr': '<i4', 'fortran_order': True, 'shape': (0,), }", ""),
                  "has fortran_order True; allowed: False"},
        Malformed{"TwoDimensions", Npy(Header("<i4", "(1, 2)"), Raw<int32_t>({1, 2})),
                  "has the shape (1, 2); allowed: one dimension"},
        Malformed{"NoDimension", Npy(Header("<i4", "()"), Raw<int32_t>({1})), "has the shape (); allowed"},
        Malformed{"NegativeExtent", Npy(Header("<i4", "(-1,)"), ""), "has the shape (-1,); allowed"},
        Malformed{"HugeExtent", Npy(Header("<i8", "(2305843009213693952,)"), ""), "holds 0 bytes of data"},
        Malformed{"DataCut", Npy(Header("<i4", "(2,)"), "1234567"),
                  "holds 7 bytes of data; its header says 2 values of 4 bytes"},
        Malformed{"TrailingData", Npy(Header("<u2", "(1,)"), "1234"), "holds 4 bytes of data"}),
    [](const auto& info) { return info.param.name; });

TEST(ParseNpyTest, NeverTrustsSpoiltBytes) {
  const std::string good = Npy(Header("<i4", "(3,)"), Raw<int32_t>({1, 2, 3}));
  std::mt19937 random(3);
  for (int round = 0; round < 20000; ++round) {
    std::string file = good;
    for (int i = 0; i < 2; ++i)
      file[random() % file.size()] = static_cast<char>(random() % 3 ? 32 + random() % 96 : random());
    if (round % 3 == 0) file.resize(random() % file.size());
    const auto values = ParseNpy(file);
    if (values.ok()) {
      EXPECT_LE(values->size() * 2, file.size()) << "round " << round;
    }
  }
}

}  // namespace
}  // namespace greenplan::trainer
