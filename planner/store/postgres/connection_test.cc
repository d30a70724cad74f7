#include "planner/store/postgres/connection.h"

#include <string>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "planner/store/postgres/testing/postgres_proxy.h"
#include "planner/store/postgres/testing/postgres_server.h"

namespace greenplan::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

class ConnectionTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new PostgresServer; }
  static void TearDownTestSuite() { delete server_; }

  std::unique_ptr<Connection> Open(const std::string& uri) {
    auto connection = Connection::Open(uri, Soon());
    EXPECT_TRUE(connection.ok()) << connection.status();
    return *std::move(connection);
  }

  static PostgresServer* server_;
};
PostgresServer* ConnectionTest::server_ = nullptr;

TEST_F(ConnectionTest, BytesAndNumbersComeBackAsTheyWere) {
  const auto connection = Open(server_->NewDatabase());
  const std::string bytes("\0\xff'; --", 7);
  const auto rows = connection->Query("SELECT $1, $2, $3, $4",
                                      {bytes, std::numeric_limits<int64_t>::min(), absl::string_view(), 7}, Soon());
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 1);
  EXPECT_EQ(rows->Bytes(0, 0), bytes);
  EXPECT_EQ(rows->Number(0, 1), std::numeric_limits<int64_t>::min());
  EXPECT_EQ(rows->Bytes(0, 2), "");
  EXPECT_EQ(rows->Number(0, 3), 7);
}

TEST_F(ConnectionTest, AnErrorOfAStatementLeavesTheConnectionUsable) {
  const auto connection = Open(server_->NewDatabase());
  ASSERT_TRUE(connection->Execute("CREATE TABLE t (k BIGINT PRIMARY KEY)", {}, Soon()).ok());
  ASSERT_TRUE(connection->Execute("INSERT INTO t VALUES ($1)", {1}, Soon()).ok());
  const absl::Status status = connection->Execute("INSERT INTO t VALUES ($1)", {1}, Soon());
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
  EXPECT_EQ(connection->last_sql_state(), "23505");
  EXPECT_FALSE(connection->is_broken());
  EXPECT_EQ(connection->Query("DELETE FROM t", {}, Soon())->num_changed(), 1);
  EXPECT_EQ(connection->last_sql_state(), "");
}

// PostgreSQL answers COMMIT after a failed statement with a success that is called ROLLBACK.
TEST_F(ConnectionTest, ACommitThatRolledBackIsNoSuccess) {
  const auto connection = Open(server_->NewDatabase());
  ASSERT_TRUE(connection->Execute("BEGIN", {}, Soon()).ok());
  EXPECT_FALSE(connection->Execute("SELECT * FROM nothing", {}, Soon()).ok());
  EXPECT_TRUE(connection->is_in_transaction());
  EXPECT_EQ(connection->Commit(Soon()).code(), absl::StatusCode::kInternal);
  EXPECT_FALSE(connection->is_in_transaction());
}

TEST_F(ConnectionTest, AServerThatIsAwayIsUnavailable) {
  const absl::Status status = Connection::Open("postgresql://user:secret@127.0.0.1:1/db", Soon()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(status.message(), HasSubstr("postgresql://127.0.0.1:1/db"));
  EXPECT_THAT(status.message(), Not(HasSubstr("secret")));
}

TEST_F(ConnectionTest, AMissingDatabaseIsNamed) {
  std::string uri = server_->NewDatabase();
  uri.replace(uri.find("/test"), 6, "/missing");
  const absl::Status status = Connection::Open(uri, Soon()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_THAT(status.message(), HasSubstr("missing"));
}

TEST_F(ConnectionTest, ABadUriIsRefusedWithoutRepeatingIt) {
  const absl::Status status = Connection::Open("postgresql://u:secret@host/db?colour=red", Soon()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(status.message(), HasSubstr("colour"));
  for (const char* uri : {"postgresql://u:secret@host/db?colour=red", "postgresql://u:secret@[host/db",
                          "postgresql://u:secret%@host/db", "postgresql://u:secret@host/db?port",
                          "user=u password=secret", "postgresql:/u:secret@host/db", "password=s3 secret"}) {
    const absl::Status bad = WithoutSecrets(uri).status();
    EXPECT_EQ(bad.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(bad.message(), Not(HasSubstr("secret")));
  }
}

TEST_F(ConnectionTest, NoCallOutlivesItsDeadline) {
  PostgresProxy proxy(server_->socket_name());
  const auto connection = Open(proxy.Through(server_->NewDatabase()));
  proxy.Silence();
  const absl::Time start = absl::Now();
  EXPECT_TRUE(absl::IsUnavailable(connection->Execute("SELECT 1", {}, start + absl::Milliseconds(300))));
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  EXPECT_TRUE(connection->is_broken());
  EXPECT_TRUE(absl::IsUnavailable(connection->Execute("SELECT 1", {}, Soon()))) << "the answer may still come";
}

TEST_F(ConnectionTest, ALargeMessageFlowsInBothDirections) {
  const auto connection = Open(server_->NewDatabase());
  const std::string bytes(20 << 20, '\x80');
  const auto rows = connection->Query("SELECT $1", {bytes}, Soon());
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->Bytes(0, 0), bytes);
}

TEST_F(ConnectionTest, ANotificationThatCameWithAnAnswerIsFound) {
  const auto connection = Open(server_->NewDatabase());
  ASSERT_TRUE(connection->Execute("LISTEN news", {}, Soon()).ok());
  ASSERT_TRUE(connection->Execute("NOTIFY news, 'text'", {}, Soon()).ok());
  const auto payloads = connection->WaitForNotifications(-1, Soon());
  ASSERT_TRUE(payloads.ok());
  EXPECT_THAT(*payloads, ElementsAre("text"));
}

}  // namespace
}  // namespace greenplan::postgres
