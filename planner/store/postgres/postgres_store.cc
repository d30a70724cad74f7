#include "planner/store/postgres/postgres_store.h"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "planner/store/change_feed.h"
#include "planner/store/postgres/change_topics.h"
#include "planner/store/postgres/changes.h"
#include "planner/store/postgres/connection_pool.h"
#include "planner/store/postgres/rows.h"
#include "planner/store/postgres/schema.h"
#include "planner/store/postgres/wakeups.h"
#include "planner/store/serialized_job.h"

namespace greenplan {
namespace {

using postgres::Attempt;
using postgres::NoJob;
using postgres::RankRow;
using postgres::Rows;
using postgres::ToNumber;
using postgres::Value;

// A job of millions of reports is deleted at once, which takes longer than any other statement. SET LOCAL lasts until
// the transaction ends.
constexpr absl::Duration kLongestDeletion = absl::Minutes(5);
constexpr char kMayTakeLong[] = "SET LOCAL statement_timeout = 300000";

// The most reports that one statement deletes, so that it ends within the usual time.
constexpr int64_t kMaxDeletedReports = 5000;

// A query for the messages of rows in the order of `key`, up to the one with which they take kMaxListBytes. The
// database adds up lengths, which it knows without reading the messages.
std::string UpToMaxListBytes(absl::string_view message, absl::string_view key, absl::string_view rows,
                             absl::string_view limit) {
  return absl::StrCat("SELECT message FROM (SELECT ", message, " AS message, row_number() OVER by_key AS place, ",
                      "sum(octet_length(", message, ")) OVER by_key - octet_length(", message, ") AS bytes_before ",
                      "FROM ", rows, " WINDOW by_key AS (ORDER BY ", key, ") ORDER BY ", key, " LIMIT ", limit,
                      ") AS list WHERE bytes_before < ", kMaxListBytes, " ORDER BY place");
}

class PostgresStore : public Store {
 public:
  // The schema must be up to date.
  PostgresStore(const PostgresOptions& options, std::string medium)
      : options_(options),
        medium_(std::move(medium)),
        pool_({.uri = options.uri, .max_connections = options.max_connections}),
        wakeups_({.uri = options.uri, .uses_notifications = options.uses_notifications},
                 [this](const std::string& topic) { feed_.Publish(postgres::ToChange(topic)); }) {}

  absl::Status CreateJob(const JobKey& key, const KeptJob& job) override {
    return Transact([&](const Attempt& attempt) { return postgres::InsertJob(attempt, key, job); });
  }

  absl::StatusOr<KeptJob> GetJob(const JobKey& key) override {
    const absl::StatusOr<Rows> rows = ReadRow(
        "SELECT j.id, r.message, r.profile FROM greenplan_jobs AS j JOIN greenplan_job_revisions AS r "
        "ON r.job = j.id AND r.revision = j.revision WHERE j.tenant = $1 AND j.name = $2",
        {key.tenant, key.name}, [&] { return NoJob(key.name); });
    if (!rows.ok()) return rows.status();
    absl::StatusOr<v1::Job> job = postgres::ReadJob(medium_, *rows, 1);
    if (!job.ok()) return job.status();
    return KeptJob{rows->Number(0, 0), *std::move(job)};
  }

  absl::StatusOr<JobHead> GetJobHead(const JobKey& key) override {
    const absl::StatusOr<Rows> rows = ReadRow("SELECT id, revision FROM greenplan_jobs WHERE tenant = $1 AND name = $2",
                                              {key.tenant, key.name}, [&] { return NoJob(key.name); });
    if (!rows.ok()) return rows.status();
    return JobHead{rows->Number(0, 0), rows->Number(0, 1)};
  }

  absl::StatusOr<v1::Job> GetJobRevision(int64_t job_id, int64_t revision) override {
    const absl::StatusOr<Rows> rows = ReadRevision("message, profile", job_id, revision);
    if (!rows.ok()) return rows.status();
    return postgres::ReadJob(medium_, *rows, 0);
  }

  absl::StatusOr<int64_t> GetJobSize(int64_t job_id, int64_t revision) override {
    const absl::StatusOr<Rows> rows =
        ReadRevision("CAST(octet_length(message) + octet_length(profile) AS BIGINT)", job_id, revision);
    if (!rows.ok()) return rows.status();
    return rows->Number(0, 0);
  }

  absl::StatusOr<std::string> GetSerializedJob(int64_t job_id, int64_t revision) override {
    const absl::StatusOr<Rows> rows = ReadRevision("message, profile", job_id, revision);
    if (!rows.ok()) return rows.status();
    return JoinJob(rows->Bytes(0, 0), rows->Bytes(0, 1));
  }

  absl::Status UpdateJob(int64_t job_id, const v1::Job& job) override {
    return Transact([&](const Attempt& attempt) { return postgres::UpdateJob(attempt, job_id, job); });
  }

  absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::string& tenant, const std::string& after_name,
                                                int limit) override {
    static const std::string* const kSql = new std::string(UpToMaxListBytes(
        "r.message", "j.name",
        "greenplan_jobs AS j JOIN greenplan_job_revisions AS r ON r.job = j.id AND r.revision = j.revision "
        "WHERE j.tenant = $1 AND j.name > $2",
        "$3"));
    return ReadMessages<v1::Job>(kSql->c_str(), {tenant, after_name, limit});
  }

  absl::Status DeleteJob(int64_t job_id) override { return DeleteIdleJob(job_id, absl::InfiniteFuture()); }

  absl::Status DeleteIdleJob(int64_t job_id, absl::Time time) override {
    // A server that is away, or a job that is in use, is told within the usual time.
    const absl::Status found =
        ReadRow("SELECT id FROM greenplan_jobs WHERE id = $1 AND last_use < $2", {job_id, ToNumber(time)}, [&] {
          return NoJob(job_id);
        }).status();
    if (!found.ok()) return found;
    const absl::Status status =
        RunTransaction(pool_, options_.isolation, absl::Now() + kLongestDeletion, [&](const Attempt& attempt) {
          absl::Status may_take_long = attempt.connection.Execute(kMayTakeLong, {}, attempt.deadline);
          return may_take_long.ok() ? postgres::DeleteIdleJob(attempt, job_id, time) : may_take_long;
        });
    if (status.ok()) Tell({.kind = Change::Kind::kJobDeleted, .job_id = job_id});
    return status;
  }

  absl::StatusOr<TenantUsage> GetUsage(const std::string& tenant) override {
    const absl::StatusOr<Rows> rows = Read(
        "SELECT count(*), CAST(COALESCE(sum(num_bytes), 0) AS BIGINT) FROM greenplan_jobs WHERE tenant = $1", {tenant});
    if (!rows.ok()) return rows.status();
    return TenantUsage{rows->Number(0, 0), rows->Number(0, 1)};
  }

  absl::StatusOr<ReportResult> AddReport(int64_t job_id, const v1::ImportanceReport& report,
                                         const RoundOpening& opening) override {
    const RankRow row(report);
    ReportResult result;
    bool has_other_revision = false;
    const absl::Status status = Transact([&](const Attempt& attempt) -> absl::Status {
      result = {};
      has_other_revision = false;
      const absl::StatusOr<bool> is_new = postgres::InsertRankRow(attempt, job_id, row);
      if (!is_new.ok()) return is_new.status();
      if (!*is_new) return FindEarlierReport(attempt, job_id, row, result);
      const absl::StatusOr<KeptRound> round =
          postgres::ChangeRound(attempt, job_id, row.round, {.num_reports = 1, .opening = opening});
      if (!round.ok()) return round.status();
      result.round = *round;
      has_other_revision = round->revision != opening.revision;
      return has_other_revision ? absl::CancelledError("the round has another revision") : absl::OkStatus();
    });
    if (has_other_revision && absl::IsCancelled(status)) {
      --result.round.num_reports;  // It was rolled back.
      return result;
    }
    if (!status.ok()) return status;
    return result;
  }

  absl::StatusOr<KeptRound> GetRound(int64_t job_id, int64_t round) override {
    std::optional<KeptRound> found;
    const absl::Status status = RunStatement(pool_, Deadline(), [&](const Attempt& attempt) -> absl::Status {
      absl::StatusOr<std::optional<KeptRound>> kept = postgres::FindRound(attempt, job_id, round);
      if (!kept.ok()) return kept.status();
      found = *std::move(kept);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    if (!found.has_value()) return NoJob(absl::StrCat("round ", round, " of the job of id ", job_id));
    return *found;
  }

  absl::StatusOr<std::vector<v1::ImportanceReport>> ListReports(int64_t job_id, int64_t round, int32_t after_rank,
                                                                int limit) override {
    static const std::string* const kSql = new std::string(
        UpToMaxListBytes("message", "rank", "greenplan_reports WHERE job = $1 AND round = $2 AND rank > $3", "$4"));
    return ReadMessages<v1::ImportanceReport>(kSql->c_str(), {job_id, round, after_rank, limit});
  }

  absl::StatusOr<std::vector<KeptRound>> ListOpenRounds(absl::Time until, int limit) override {
    const std::string sql = absl::StrCat("SELECT ", postgres::kRoundColumns,
                                         " FROM greenplan_rounds WHERE is_planned = 0 AND deadline <= $1 "
                                         "ORDER BY deadline, job, round LIMIT $2");
    const absl::StatusOr<Rows> rows = Read(sql.c_str(), {ToNumber(until), limit});
    if (!rows.ok()) return rows.status();
    std::vector<KeptRound> rounds;
    for (int row = 0; row < rows->size(); ++row) rounds.push_back(postgres::ReadRound(*rows, row));
    return rounds;
  }

  absl::Status PutPlan(int64_t job_id, const NewPlan& plan) override {
    const absl::Status status =
        Transact([&](const Attempt& attempt) { return postgres::PutPlan(attempt, job_id, plan); });
    if (status.ok()) Tell({.kind = Change::Kind::kPlan, .job_id = job_id, .round = plan.plan.round()});
    return status;
  }

  absl::StatusOr<KeptPlan> GetPlan(int64_t job_id, int64_t round) override {
    const absl::StatusOr<Rows> rows = ReadRow(
        "SELECT message, missing_ranks FROM greenplan_plans WHERE job = $1 AND round = $2", {job_id, round}, [&] {
          return absl::NotFoundError(absl::StrCat("round ", round, " of the job of id ", job_id, " has no plan"));
        });
    if (!rows.ok()) return rows.status();
    return postgres::ReadPlan(medium_, *rows);
  }

  absl::StatusOr<KeptPlan> GetLatestPlan(int64_t job_id) override {
    const absl::StatusOr<Rows> rows =
        ReadRow("SELECT message, missing_ranks FROM greenplan_plans WHERE job = $1 ORDER BY round DESC LIMIT 1",
                {job_id}, [&] { return absl::NotFoundError(absl::StrCat("the job of id ", job_id, " has no plan")); });
    if (!rows.ok()) return rows.status();
    return postgres::ReadPlan(medium_, *rows);
  }

  absl::StatusOr<std::vector<v1::Plan>> ListPlans(int64_t job_id, int64_t start_round, int limit) override {
    static const std::string* const kSql =
        new std::string(UpToMaxListBytes("message", "round", "greenplan_plans WHERE job = $1 AND round >= $2", "$3"));
    return ReadMessages<v1::Plan>(kSql->c_str(), {job_id, start_round, limit});
  }

  absl::StatusOr<std::optional<v1::Outcome>> AddOutcome(int64_t job_id, const v1::Outcome& outcome) override {
    const RankRow row(outcome);
    std::optional<v1::Outcome> earlier;
    const absl::Status status = Transact([&](const Attempt& attempt) -> absl::Status {
      earlier.reset();
      const absl::StatusOr<bool> is_new = postgres::InsertRankRow(attempt, job_id, row);
      if (!is_new.ok() || *is_new) return is_new.status();
      absl::StatusOr<std::optional<v1::Outcome>> kept = postgres::FindEarlier<v1::Outcome>(attempt, job_id, row);
      if (!kept.ok()) return kept.status();
      earlier = *std::move(kept);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return earlier;
  }

  absl::StatusOr<std::vector<v1::Outcome>> ListOutcomes(int64_t job_id, int64_t after_round, int32_t after_rank,
                                                        int limit) override {
    static const std::string* const kSql = new std::string(
        UpToMaxListBytes("message", "round, rank",
                         "greenplan_outcomes WHERE job = $1 AND (round > $2 OR (round = $2 AND rank > $3))", "$4"));
    return ReadMessages<v1::Outcome>(kSql->c_str(), {job_id, after_round, after_rank, limit});
  }

  absl::StatusOr<std::vector<int64_t>> ListIdleJobs(absl::Time time, int limit) override {
    const absl::StatusOr<Rows> rows =
        Read("SELECT id FROM greenplan_jobs WHERE last_use < $1 ORDER BY id LIMIT $2", {ToNumber(time), limit});
    if (!rows.ok()) return rows.status();
    std::vector<int64_t> ids;
    for (int row = 0; row < rows->size(); ++row) ids.push_back(rows->Number(row, 0));
    return ids;
  }

  absl::Status DeleteReports(int64_t job_id, int64_t round) override {
    for (;;) {
      int64_t num_deleted = 0;
      const absl::Status status = RunStatement(pool_, Deadline(), [&](const Attempt& attempt) {
        const absl::StatusOr<Rows> rows = attempt.connection.Query(
            "DELETE FROM greenplan_reports WHERE job = $1 AND (round, rank) IN "
            "(SELECT r.round, r.rank FROM greenplan_reports AS r "
            "JOIN greenplan_plans AS p ON p.job = r.job AND p.round = r.round "
            "WHERE r.job = $1 AND r.round < $2 ORDER BY r.round, r.rank LIMIT $3)",
            {job_id, round, kMaxDeletedReports}, attempt.deadline);
        if (rows.ok()) num_deleted = rows->num_changed();
        return rows.status();
      });
      if (!status.ok() || num_deleted < kMaxDeletedReports) return status;
    }
  }

  std::unique_ptr<Subscription> Subscribe(ChangeListener listener) override {
    return feed_.Subscribe(std::move(listener));
  }

 private:
  absl::Time Deadline() const { return absl::Now() + options_.timeout; }

  absl::Status Transact(const postgres::TransactionBody& body) {
    return RunTransaction(pool_, options_.isolation, Deadline(), body);
  }

  absl::StatusOr<Rows> Read(const char* sql, std::initializer_list<Value> parameters) {
    absl::StatusOr<Rows> rows = absl::UnknownError("");
    const absl::Status status = RunStatement(pool_, Deadline(), [&](const Attempt& attempt) {
      rows = attempt.connection.Query(sql, parameters, attempt.deadline);
      return rows.status();
    });
    if (!status.ok()) return status;
    return rows;
  }

  // The same for a query that finds one row. not_found() if there is none.
  absl::StatusOr<Rows> ReadRow(const char* sql, std::initializer_list<Value> parameters,
                               absl::FunctionRef<absl::Status()> not_found) {
    absl::StatusOr<Rows> rows = Read(sql, parameters);
    if (rows.ok() && rows->size() == 0) return not_found();
    return rows;
  }

  absl::StatusOr<Rows> ReadRevision(absl::string_view columns, int64_t job_id, int64_t revision) {
    const std::string sql =
        absl::StrCat("SELECT ", columns, " FROM greenplan_job_revisions WHERE job = $1 AND revision = $2");
    return ReadRow(sql.c_str(), {job_id, revision},
                   [&] { return NoJob(absl::StrCat("revision ", revision, " of the job of id ", job_id)); });
  }

  template <typename Message>
  absl::StatusOr<std::vector<Message>> ReadMessages(const char* sql, std::initializer_list<Value> parameters) {
    const absl::StatusOr<Rows> rows = Read(sql, parameters);
    if (!rows.ok()) return rows.status();
    return postgres::ParseRows<Message>(medium_, *rows);
  }

  // What AddReport answers if the rank has reported: by an earlier call, or by an attempt whose answer was lost.
  static absl::Status FindEarlierReport(const Attempt& attempt, int64_t job_id, const RankRow& row,
                                        ReportResult& result) {
    const absl::StatusOr<std::optional<KeptRound>> round = postgres::FindRound(attempt, job_id, row.round);
    if (!round.ok()) return round.status();
    absl::StatusOr<std::optional<v1::ImportanceReport>> earlier =
        postgres::FindEarlier<v1::ImportanceReport>(attempt, job_id, row);
    if (!earlier.ok()) return earlier.status();
    if (!round->has_value()) return postgres::DeletedMeanwhile();
    result = {**round, *std::move(earlier)};
    return absl::OkStatus();
  }

  // To everybody: those in this process hear of it at once.
  void Tell(const Change& change) {
    feed_.Publish(change);
    wakeups_.Send(postgres::ToTopic(change));
  }

  const PostgresOptions options_;
  const std::string medium_;  // As messages name the database.
  postgres::ConnectionPool pool_;
  ChangeFeed feed_;
  postgres::Wakeups wakeups_;  // Last: its thread uses the feed.
};

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenPostgresStore(const PostgresOptions& options) {
  absl::StatusOr<std::string> medium = postgres::WithoutSecrets(options.uri);
  if (!medium.ok()) return medium.status();
  postgres::ConnectionPool pool({.uri = options.uri, .max_connections = 1});
  if (absl::Status status = MigrateSchema(pool, absl::Now() + options.timeout); !status.ok()) return status;
  return std::make_unique<PostgresStore>(options, *std::move(medium));
}

}  // namespace greenplan
