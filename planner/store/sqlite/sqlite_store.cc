#include "planner/store/sqlite/sqlite_store.h"

#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "planner/store/sqlite/database.h"
#include "planner/store/sqlite/schema.h"

namespace greenplan {
namespace {

// Exclusive locking comes first: the write-ahead log then needs no shared memory, and the lock is never given up.
constexpr char kSettings[] =
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA foreign_keys = ON;";

template <typename Message>
absl::StatusOr<Message> ParseRow(const Database& database, const Statement& query) {
  const absl::string_view bytes = query.Blob(0);
  Message message;
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return message;
  return absl::DataLossError(
      absl::StrCat(database.path(), " is damaged: it holds a malformed ", message.GetTypeName()));
}

template <typename Message>
absl::StatusOr<std::vector<Message>> ParseRows(const Database& database, Statement& query) {
  std::vector<Message> messages;
  for (;;) {
    const absl::StatusOr<bool> row = query.Step();
    if (!row.ok()) return row.status();
    if (!*row) return messages;
    absl::StatusOr<Message> message = ParseRow<Message>(database, query);
    if (!message.ok()) return message.status();
    messages.push_back(*std::move(message));
  }
}

// The one row of `query`; NotFound saying that `what` does not exist if there is none.
template <typename Message>
absl::StatusOr<Message> ParseOnlyRow(const Database& database, Statement& query, const std::string& what) {
  const absl::StatusOr<bool> row = query.Step();
  if (!row.ok()) return row.status();
  if (!*row) return absl::NotFoundError(absl::StrCat(what, " does not exist"));
  return ParseRow<Message>(database, query);
}

class SqliteStore : public Store {
 public:
  explicit SqliteStore(std::unique_ptr<Database> database) : database_(std::move(database)) {}

  absl::Status PutJob(const v1::Job& job) override {
    const std::string message = job.SerializeAsString();
    absl::MutexLock lock(&mutex_);
    Statement insert(*database_, "INSERT INTO jobs (name, message) VALUES (?, ?)");
    insert.BindText(1, job.name());
    insert.BindBlob(2, message);
    return insert.Run();
  }

  absl::StatusOr<v1::Job> GetJob(const std::string& job_name) override {
    absl::MutexLock lock(&mutex_);
    Statement query(*database_, "SELECT message FROM jobs WHERE name = ?");
    query.BindText(1, job_name);
    return ParseOnlyRow<v1::Job>(*database_, query, job_name);
  }

  absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::string& after_name, int limit) override {
    absl::MutexLock lock(&mutex_);
    Statement query(*database_, "SELECT message FROM jobs WHERE name > ? ORDER BY name LIMIT ?");
    query.BindText(1, after_name);
    query.BindNumber(2, limit);
    return ParseRows<v1::Job>(*database_, query);
  }

  absl::Status PutRound(const std::string& job_name, const std::vector<v1::ImportanceReport>& reports,
                        const v1::Plan& plan) override {
    absl::MutexLock lock(&mutex_);
    Transaction transaction(*database_);
    if (absl::Status status = transaction.Begin(); !status.ok()) return status;
    if (absl::Status status = InsertPlan(job_name, plan); !status.ok()) return status;
    for (const v1::ImportanceReport& report : reports) {
      if (absl::Status status = InsertReport(job_name, report); !status.ok()) return status;
    }
    return transaction.Commit();
  }

  absl::StatusOr<v1::Plan> GetPlan(const std::string& job_name, int64_t round) override {
    absl::MutexLock lock(&mutex_);
    Statement query(*database_, "SELECT message FROM plans WHERE job = ? AND round = ?");
    query.BindText(1, job_name);
    query.BindNumber(2, round);
    return ParseOnlyRow<v1::Plan>(*database_, query, absl::StrCat("round ", round, " of ", job_name));
  }

  absl::StatusOr<std::vector<v1::Plan>> ListPlans(const std::string& job_name, int64_t start_round,
                                                  int limit) override {
    absl::MutexLock lock(&mutex_);
    Statement query(*database_, "SELECT message FROM plans WHERE job = ? AND round >= ? ORDER BY round LIMIT ?");
    query.BindText(1, job_name);
    query.BindNumber(2, start_round);
    query.BindNumber(3, limit);
    return ParseRows<v1::Plan>(*database_, query);
  }

  absl::StatusOr<std::vector<v1::ImportanceReport>> ListReports(const std::string& job_name, int64_t round) override {
    absl::MutexLock lock(&mutex_);
    Statement query(*database_, "SELECT message FROM reports WHERE job = ? AND round = ? ORDER BY rank");
    query.BindText(1, job_name);
    query.BindNumber(2, round);
    return ParseRows<v1::ImportanceReport>(*database_, query);
  }

 private:
  absl::Status InsertPlan(const std::string& job_name, const v1::Plan& plan) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::string message = plan.SerializeAsString();
    Statement insert(*database_, "INSERT INTO plans (job, round, message) VALUES (?, ?, ?)");
    insert.BindText(1, job_name);
    insert.BindNumber(2, plan.round());
    insert.BindBlob(3, message);
    return insert.Run();
  }

  absl::Status InsertReport(const std::string& job_name, const v1::ImportanceReport& report)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const std::string message = report.SerializeAsString();
    Statement insert(*database_, "INSERT INTO reports (job, round, rank, message) VALUES (?, ?, ?, ?)");
    insert.BindText(1, job_name);
    insert.BindNumber(2, report.round());
    insert.BindNumber(3, report.rank());
    insert.BindBlob(4, message);
    return insert.Run();
  }

  absl::Mutex mutex_;
  const std::unique_ptr<Database> database_ ABSL_PT_GUARDED_BY(mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path) {
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(path);
  if (!database.ok()) return database.status();
  if (absl::Status status = (*database)->Execute(kSettings); !status.ok()) return status;
  if (absl::Status status = MigrateSchema(**database); !status.ok()) return status;
  return std::make_unique<SqliteStore>(*std::move(database));
}

}  // namespace greenplan
