#include "planner/store/postgres/transaction.h"

#include <atomic>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "gtest/gtest.h"
#include "planner/store/postgres/testing/postgres_proxy.h"
#include "planner/store/postgres/testing/postgres_server.h"

namespace greenplan::postgres {
namespace {

absl::Time Soon() { return absl::Now() + absl::Seconds(30); }

class TransactionTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server_ = new PostgresServer; }
  static void TearDownTestSuite() { delete server_; }

  TransactionTest() {
    const absl::Status status = RunStatement(pool_, Soon(), [](const Attempt& attempt) {
      return attempt.connection.Execute("CREATE TABLE t (k BIGINT PRIMARY KEY, n BIGINT NOT NULL)", {},
                                        attempt.deadline);
    });
    EXPECT_TRUE(status.ok()) << status;
  }

  static absl::Status Insert(const Attempt& attempt, int64_t key, int64_t number) {
    return attempt.connection.Execute("INSERT INTO t VALUES ($1, $2)", {key, number}, attempt.deadline);
  }
  static absl::StatusOr<int64_t> Find(const Attempt& attempt, int64_t key) {
    auto rows = attempt.connection.Query("SELECT n FROM t WHERE k = $1", {key}, attempt.deadline);
    if (!rows.ok()) return rows.status();
    return rows->size() == 0 ? -1 : rows->Number(0, 0);
  }
  int64_t Number(int64_t key) {
    int64_t number = -2;
    const absl::Status status = RunStatement(pool_, Soon(), [&](const Attempt& attempt) {
      auto found = Find(attempt, key);
      if (found.ok()) number = *found;
      return found.status();
    });
    EXPECT_TRUE(status.ok()) << status;
    return number;
  }

  static PostgresServer* server_;
  PostgresProxy proxy_{server_->socket_name()};
  ConnectionPool pool_{{.uri = proxy_.Through(server_->NewDatabase()), .max_connections = 4}};
};
PostgresServer* TransactionTest::server_ = nullptr;

TEST_F(TransactionTest, AnErrorOfTheBodyRollsBack) {
  const absl::Status status = RunTransaction(pool_, Isolation::kSerializable, Soon(), [](const Attempt& attempt) {
    EXPECT_TRUE(Insert(attempt, 1, 1).ok());
    return absl::NotFoundError("no such thing");
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Number(1), -1);
}

// Each transaction reads and writes what the others read, so the server refuses all but one of those at the same time.
TEST_F(TransactionTest, TransactionsThatFallOverEachOtherAreAllRun) {
  ASSERT_TRUE(RunTransaction(pool_, Isolation::kSerializable, Soon(), [](const Attempt& attempt) {
                return Insert(attempt, 1, 0);
              }).ok());
  std::atomic<int> num_attempts = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 10; ++k) {
        const absl::Status status =
            RunTransaction(pool_, Isolation::kSerializable, Soon(), [&](const Attempt& attempt) {
              ++num_attempts;
              const auto number = Find(attempt, 1);
              if (!number.ok()) return number.status();
              return attempt.connection.Execute("UPDATE t SET n = $1 WHERE k = 1", {*number + 1}, attempt.deadline);
            });
        EXPECT_TRUE(status.ok()) << status;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Number(1), 80);
  EXPECT_GT(num_attempts, 80) << "the test is to see retries";
}

TEST_F(TransactionTest, ACommitWhoseAnswerIsLostIsResolvedByReadingBack) {
  for (int64_t key = 1; key <= 5; ++key) {
    std::vector<bool> may_be_done;
    proxy_.LoseAnswerTo("COMMIT");
    const absl::Status status = RunTransaction(pool_, Isolation::kSerializable, Soon(), [&](const Attempt& attempt) {
      may_be_done.push_back(attempt.may_be_done);
      const auto found = Find(attempt, key);
      if (!found.ok()) return found.status();
      if (*found == -1) return Insert(attempt, key, 7);
      return attempt.may_be_done && *found == 7 ? absl::OkStatus() : absl::AlreadyExistsError("the key is taken");
    });
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(may_be_done, std::vector<bool>({false, true}));
    EXPECT_EQ(Number(key), 7);
  }
  EXPECT_EQ(proxy_.num_lost(), 5);
}

TEST_F(TransactionTest, AStatementThatIsLostBeforeTheCommitWasNeverDone) {
  std::vector<bool> may_be_done;
  proxy_.LoseAnswerTo("INSERT");
  const absl::Status status = RunTransaction(pool_, Isolation::kSerializable, Soon(), [&](const Attempt& attempt) {
    may_be_done.push_back(attempt.may_be_done);
    return Insert(attempt, 1, 7);
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(may_be_done, std::vector<bool>({false, false}));
}

TEST_F(TransactionTest, AServerThatComesBackInTimeIsNotNoticed) {
  server_->Kill();
  std::thread writer([&] {
    const absl::Status status = RunTransaction(pool_, Isolation::kSerializable, Soon(),
                                               [](const Attempt& attempt) { return Insert(attempt, 1, 7); });
    EXPECT_TRUE(status.ok()) << status;
  });
  server_->Start();
  writer.join();
  EXPECT_EQ(Number(1), 7);
}

TEST_F(TransactionTest, AServerThatStaysAwayIsUnavailableAtTheDeadline) {
  for (const bool is_silent : {false, true}) {
    is_silent ? proxy_.Silence() : proxy_.Cut();
    const absl::Time start = absl::Now();
    const absl::Status status = RunTransaction(pool_, Isolation::kSerializable, start + absl::Milliseconds(300),
                                               [](const Attempt& attempt) { return Insert(attempt, 1, 7); });
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_LT(absl::Now() - start, absl::Seconds(10));
    proxy_.Mend();
  }
  EXPECT_EQ(Number(1), -1);
}

TEST_F(TransactionTest, CallersWaitForAConnection) {
  std::vector<ConnectionPool::Lease> leases;
  for (int i = 0; i < 4; ++i) leases.push_back(*pool_.Take(Soon()));
  EXPECT_TRUE(absl::IsUnavailable(pool_.Take(absl::Now() + absl::Milliseconds(10)).status()));
  std::thread waiter([&] { EXPECT_TRUE(pool_.Take(Soon()).ok()); });
  leases.pop_back();
  waiter.join();
}

}  // namespace
}  // namespace greenplan::postgres
