#include "proto/reference/api_reference.h"

#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Of the files in testdata.
google::protobuf::FileDescriptorSet TestFiles() {
  google::protobuf::FileDescriptorSet files;
  std::ifstream input("proto/reference/testdata/service.binpb", std::ios::binary);
  EXPECT_TRUE(files.ParseFromIstream(&input));
  return files;
}

TEST(ApiReferenceTest, DescribesEveryRpcWithItsMessages) {
  const std::string page = ApiReference(TestFiles());
  EXPECT_THAT(page, HasSubstr("# API reference: test.Things\n"));
  EXPECT_THAT(page, HasSubstr("\nA service.\n\n| RPC | |\n"));
  EXPECT_THAT(page, HasSubstr("| [Make](#make) | Makes a thing. |\n| [Watch](#watch) | Sends things. |\n"));
  EXPECT_THAT(page, HasSubstr("## Make\nMakes a thing. At once.\n\n- `NOT_FOUND`: none.\n\nRequest: `MakeRequest`"));
  EXPECT_THAT(page, HasSubstr("| `count` = 1 | int32 | How many. |\n\nAnswer: [Thing](#thing)\n"));
  EXPECT_THAT(page, HasSubstr("Answer: a stream of [Thing](#thing)\n"));
  EXPECT_THAT(page, HasSubstr("Request: [Thing](#thing)\n\nAnswer: `other.Empty`\n"));
}

TEST(ApiReferenceTest, DescribesTheMessagesAndEnumsOfItsPackage) {
  const std::string page = ApiReference(TestFiles());
  EXPECT_THAT(page, HasSubstr("## messages.proto\nWhat things are.\n\n### Thing\nOne thing.\n\n| field | type | |\n"));
  EXPECT_THAT(page, HasSubstr("| `parts` = 2 | repeated [Thing](#thing) |  |\n"));
  EXPECT_THAT(page, HasSubstr("| `size` = 1 | int64, optional | May be missing. |\n"));
  EXPECT_THAT(page, HasSubstr("| `length` = 3 | double | One of `limit`. Exactly one. In metres. |\n"));
  EXPECT_THAT(page, HasSubstr("| `kind` = 4 | [Kind](#kind) | One of `limit`. |\n"));
  EXPECT_THAT(page, HasSubstr("### Kind\nWhat it is.\n\n| value | |\n| --- | --- |\n| `KIND_UNSPECIFIED` = 0 |  |\n"));
  EXPECT_THAT(page, HasSubstr("| `KIND_GOOD` = 1 | The best. |\n"));
  EXPECT_THAT(page, HasSubstr("### Nothing\nNothing.\n"));
  EXPECT_THAT(page, Not(HasSubstr("### Empty")));
  EXPECT_FALSE(page.ends_with("\n\n"));
}

TEST(ApiReferenceTest, IsEmptyWithoutAService) {
  google::protobuf::FileDescriptorSet files = TestFiles();
  EXPECT_EQ(ApiReference({}), "");
  files.mutable_file()->RemoveLast();
  EXPECT_EQ(ApiReference(files), "") << "the last file has none";
  files = TestFiles();
  files.mutable_file()->DeleteSubrange(0, 1);
  EXPECT_EQ(ApiReference(files), "") << "an import is missing";
}

}  // namespace
}  // namespace greenplan
