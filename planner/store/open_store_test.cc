#include "planner/store/open_store.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(OpenStoreTest, TheSchemeNamesTheDriver) {
  const auto sqlite = StoreUri::Parse("sqlite:/a b/c.sqlite");
  ASSERT_TRUE(sqlite.ok()) << sqlite.status();
  EXPECT_EQ(sqlite->driver(), StoreUri::Driver::kSqlite);
  EXPECT_EQ(sqlite->path(), "/a b/c.sqlite");
  EXPECT_EQ(sqlite->name(), "/a b/c.sqlite");
  EXPECT_EQ(StoreUri::Parse("memory:")->driver(), StoreUri::Driver::kMemory);
  for (const std::string scheme : {"postgresql", "postgres"}) {
    const auto postgres = StoreUri::Parse(scheme + "://me:secret@db:5432/plans?sslpassword=secret");
    ASSERT_TRUE(postgres.ok()) << postgres.status();
    EXPECT_EQ(postgres->driver(), StoreUri::Driver::kPostgres);
    EXPECT_EQ(postgres->name(), "postgresql://db:5432/plans");
    EXPECT_EQ(postgres->path(), "");
  }
}

TEST(OpenStoreTest, WhatIsNoStoreIsRefusedWithoutRepeatingIt) {
  for (const char* text : {"", "secret", "/secret/file", "sqlite:", "mysql://u:secret@h/d", "memory:secret",
                           "postgresql:u:secret@h", "postgresql://u:secret@[h/d"}) {
    const absl::Status status = StoreUri::Parse(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(status.message(), HasSubstr("allowed: "));
    EXPECT_THAT(status.message(), Not(HasSubstr("secret")));
  }
}

TEST(OpenStoreTest, OpensWhatItNames) {
  const std::string path = ::testing::TempDir() + "/open_store_test.sqlite";
  for (const std::string& text : {std::string("memory:"), "sqlite:" + path}) {
    const auto store = StoreUri::Parse(text)->Open();
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ((*store)->GetJobHead({"", "jobs/a"}).status().code(), absl::StatusCode::kNotFound);
  }
  const absl::Status missing = StoreUri::Sqlite("/no/such/folder/file").Open().status();
  EXPECT_THAT(missing.message(), HasSubstr("/no/such/folder/file"));
}

}  // namespace
}  // namespace greenplan
