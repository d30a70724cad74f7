#include "planner/store/sqlite/reader_pool.h"

#include <filesystem>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

TEST(ReaderPoolTest, ReadsWhatWasCommittedAndWritesNothing) {
  const std::string path = testing::TempDir() + "/reader_pool";
  std::filesystem::remove(path);
  const auto writer = Database::Open(path);
  ASSERT_TRUE(writer.ok()) << writer.status();
  ASSERT_TRUE((*writer)->Execute("PRAGMA journal_mode = WAL; CREATE TABLE numbers (number INTEGER)").ok());
  ReaderPool readers(path);
  ASSERT_TRUE((*writer)->Execute("BEGIN; INSERT INTO numbers VALUES (1)").ok());
  EXPECT_EQ(*(*readers.Take()).QueryNumber("SELECT count(*) FROM numbers"), 0) << "it is not committed yet";
  ASSERT_TRUE((*writer)->Execute("COMMIT").ok());
  EXPECT_EQ(*(*readers.Take()).QueryNumber("SELECT count(*) FROM numbers"), 1);
  EXPECT_FALSE((*readers.Take()).Execute("INSERT INTO numbers VALUES (2)").ok());
}

TEST(ReaderPoolTest, ManyThreadsShareFewConnections) {
  const std::string path = testing::TempDir() + "/reader_pool_threads";
  std::filesystem::remove(path);
  ASSERT_TRUE((*Database::Open(path))->Execute("CREATE TABLE numbers (number INTEGER)").ok());
  ReaderPool readers(path);
  std::vector<std::thread> threads;
  for (int i = 0; i < 32; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 20; ++k) EXPECT_TRUE((*readers.Take()).QueryNumber("SELECT count(*) FROM numbers").ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(ReaderPoolTest, AFileThatCannotBeOpenedIsAnError) {
  ReaderPool readers("/nonexistent/folder/file");
  EXPECT_EQ(readers.Take().status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace greenplan
