#include "planner/daemon/daemon_store.h"

#include <filesystem>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(DaemonStoreTest, WithoutAStoreItIsAFileInTheDataFolder) {
  DaemonOptions options;
  options.data_dir = ::testing::TempDir() + "/a/b";
  const auto uri = StoreOf(options);
  ASSERT_TRUE(uri.ok()) << uri.status();
  EXPECT_EQ(uri->path(), options.data_dir + "/greenplan.sqlite");
  EXPECT_FALSE(std::filesystem::exists(options.data_dir));
  ASSERT_TRUE(OpenStoreOf(options, *uri).ok());
  EXPECT_TRUE(std::filesystem::exists(uri->path()));
}

TEST(DaemonStoreTest, AFolderThatCannotBeMadeIsNamed) {
  DaemonOptions options;
  options.data_dir = "/dev/null/folder";
  const absl::Status status = OpenStoreOf(options, *StoreOf(options)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()), StartsWith("--data-dir /dev/null/folder cannot be created"));
}

TEST(DaemonStoreTest, AStoreAndADataFolderAreTooMuch) {
  DaemonOptions options;
  options.store = "postgresql://u:secret@h/d";
  options.data_dir_given = true;
  const absl::Status status = StoreOf(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(status.message(), HasSubstr("--data-dir is greenplan-data, and --store"));
  EXPECT_THAT(status.message(), Not(HasSubstr("secret")));
}

TEST(DaemonStoreTest, ErrorsBeginWithTheFlag) {
  DaemonOptions options;
  options.store = "mysql://h/d";
  EXPECT_THAT(std::string(StoreOf(options).status().message()), StartsWith("--store has another scheme; allowed: "));
  options.store = "sqlite:/no/such/folder/file";
  EXPECT_THAT(std::string(OpenStoreOf(options, *StoreOf(options)).status().message()),
              StartsWith("--store: /no/such/folder/file"));
  options.store = "memory:";
  EXPECT_TRUE(OpenStoreOf(options, *StoreOf(options)).ok());
}

}  // namespace
}  // namespace greenplan
