#include "planner/store/sqlite/sqlite_store.h"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "planner/store/change_feed.h"
#include "planner/store/rank_list.h"
#include "planner/store/serialized_job.h"
#include "planner/store/sqlite/changes.h"
#include "planner/store/sqlite/contents.h"
#include "planner/store/sqlite/database.h"
#include "planner/store/sqlite/file_lock.h"
#include "planner/store/sqlite/group_commit.h"
#include "planner/store/sqlite/reader_pool.h"
#include "planner/store/sqlite/rows.h"
#include "planner/store/sqlite/schema.h"

namespace greenplan {
namespace {

constexpr char kSettings[] =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = FULL;"
    "PRAGMA foreign_keys = ON;";

// At a time: all other changes wait meanwhile.
constexpr int64_t kMaxDeletedReports = 1000;

class SqliteStore : public Store {
 public:
  SqliteStore(std::unique_ptr<FileLock> lock, std::unique_ptr<Database> database)
      : lock_(std::move(lock)), database_(std::move(database)), writer_(database_.get()), readers_(database_->path()) {}

  absl::Status CreateJob(const JobKey& key, const KeptJob& job) override {
    return writer_.Run([&](Database& database) {
      Statement insert(database,
                       "INSERT INTO jobs (id, tenant, name, revision, num_bytes, last_use) VALUES (?, ?, ?, ?, ?, ?)");
      insert.BindNumber(1, job.id);
      insert.BindText(2, key.tenant);
      insert.BindText(3, key.name);
      insert.BindNumber(4, job.job.profile_revision());
      insert.BindNumber(5, static_cast<int64_t>(job.job.ByteSizeLong()));
      insert.BindNumber(6, ToNumber(job.job.create_time()));
      if (absl::Status status = insert.Run(); !status.ok()) return status;
      return InsertRevision(database, job.id, job.job);
    });
  }

  absl::StatusOr<KeptJob> GetJob(const JobKey& key) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    Statement query(*database, absl::StrCat("SELECT jobs.id, message, profile, ", kRevisionIsIntact,
                                            " FROM jobs JOIN job_revisions "
                                            "ON job_revisions.job = jobs.id AND job_revisions.revision = jobs.revision "
                                            "WHERE tenant = ? AND name = ?"));
    query.BindText(1, key.tenant);
    query.BindText(2, key.name);
    if (absl::Status status = StepToRow(query, [&] { return NoJob(key.name); }); !status.ok()) return status;
    absl::StatusOr<v1::Job> job = ReadJob(*database, query, 1);
    if (!job.ok()) return job.status();
    return KeptJob{query.Number(0), *std::move(job)};
  }

  absl::StatusOr<JobHead> GetJobHead(const JobKey& key) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    Statement query(*database, "SELECT id, revision FROM jobs WHERE tenant = ? AND name = ?");
    query.BindText(1, key.tenant);
    query.BindText(2, key.name);
    if (absl::Status status = StepToRow(query, [&] { return NoJob(key.name); }); !status.ok()) return status;
    return JobHead{query.Number(0), query.Number(1)};
  }

  absl::StatusOr<v1::Job> GetJobRevision(int64_t job_id, int64_t revision) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    Statement query(*database, absl::StrCat("SELECT message, profile, ", kRevisionIsIntact,
                                            " FROM job_revisions WHERE job = ? AND revision = ?"));
    if (absl::Status status = StepToRevision(query, job_id, revision); !status.ok()) return status;
    return ReadJob(*database, query, 0);
  }

  // SQLite tells the length of a blob without reading it.
  absl::StatusOr<int64_t> GetJobSize(int64_t job_id, int64_t revision) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    Statement query(*database,
                    "SELECT length(message) + length(profile) FROM job_revisions WHERE job = ? AND revision = ?");
    if (absl::Status status = StepToRevision(query, job_id, revision); !status.ok()) return status;
    return query.Number(0);
  }

  absl::StatusOr<std::string> GetSerializedJob(int64_t job_id, int64_t revision) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    Statement query(*database, absl::StrCat("SELECT message, profile, ", kRevisionIsIntact,
                                            " FROM job_revisions WHERE job = ? AND revision = ?"));
    absl::Status status = StepToRevision(query, job_id, revision);
    if (status.ok()) status = CheckIsIntact(*database, query, 2, v1::Job::descriptor()->full_name());
    if (!status.ok()) return status;
    return JoinJob(query.Blob(0), query.Blob(1));
  }

  absl::Status UpdateJob(int64_t job_id, const v1::Job& job) override {
    return writer_.Run([&](Database& database) -> absl::Status {
      Statement update(
          database,
          "UPDATE jobs SET revision = revision + 1, num_bytes = num_bytes + ?, last_use = max(last_use, ?) "
          "WHERE id = ? RETURNING revision");
      update.BindNumber(1, static_cast<int64_t>(job.ByteSizeLong()));
      update.BindNumber(2, ToNumber(job.update_time()));
      update.BindNumber(3, job_id);
      if (absl::Status status = StepToRow(update, [&] { return NoJob(job_id); }); !status.ok()) return status;
      if (update.Number(0) != job.profile_revision()) {
        return absl::AlreadyExistsError(
            absl::StrCat("revision ", job.profile_revision(), " of the job of id ", job_id, " is not the next one"));
      }
      return InsertRevision(database, job_id, job);
    });
  }

  absl::StatusOr<std::vector<v1::Job>> ListJobs(const std::string& tenant, const std::string& after_name,
                                                int limit) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    Statement query(*database,
                    "SELECT message FROM jobs JOIN job_revisions "
                    "ON job_revisions.job = jobs.id AND job_revisions.revision = jobs.revision "
                    "WHERE tenant = ? AND name > ? ORDER BY name LIMIT ?");
    query.BindText(1, tenant);
    query.BindText(2, after_name);
    query.BindNumber(3, limit);
    // Whether the rows are intact is not checked, because that would need the profiles.
    const auto read = [&]() -> absl::StatusOr<v1::Job> {
      v1::Job job;
      if (absl::Status status = ParseColumn(*database, query, 0, job); !status.ok()) return status;
      return job;
    };
    return ReadList<v1::Job>(query, read);
  }

  absl::Status DeleteJob(int64_t job_id) override { return DeleteIdleJob(job_id, absl::InfiniteFuture()); }

  absl::Status DeleteIdleJob(int64_t job_id, absl::Time time) override {
    const absl::Status status = writer_.Run([&](Database& database) -> absl::Status {
      Statement remove(database, "DELETE FROM jobs WHERE id = ? AND last_use < ? RETURNING id");
      remove.BindNumber(1, job_id);
      remove.BindNumber(2, ToNumber(time));
      return StepToRow(remove, [&] { return NoJob(job_id); });
    });
    if (status.ok()) feed_.Publish({.kind = Change::Kind::kJobDeleted, .job_id = job_id});
    return status;
  }

  absl::StatusOr<TenantUsage> GetUsage(const std::string& tenant) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    Statement query(*database, "SELECT count(*), coalesce(sum(num_bytes), 0) FROM jobs WHERE tenant = ?");
    query.BindText(1, tenant);
    const absl::StatusOr<bool> row = query.Step();
    if (!row.ok()) return row.status();
    return TenantUsage{query.Number(0), query.Number(1)};
  }

  absl::StatusOr<ReportResult> AddReport(int64_t job_id, const v1::ImportanceReport& report,
                                         const RoundOpening& opening) override {
    ReportResult result;
    const RankRow row(report);
    const absl::Status status = writer_.Run([&](Database& database) -> absl::Status {
      if (absl::Status status = OpenRound(database, job_id, report.round(), opening); !status.ok()) return status;
      absl::StatusOr<KeptRound> round = FindRound(database, job_id, report.round());
      if (!round.ok()) return round.status();
      auto earlier = FindReport(database, job_id, report.round(), report.rank());
      if (!earlier.ok()) return earlier.status();
      if (!earlier->has_value() && round->revision == opening.revision) {
        if (absl::Status status = InsertReport(database, job_id, row); !status.ok()) return status;
        if (absl::Status status = CountReport(database, job_id, row.round); !status.ok()) return status;
        ++round->num_reports;
      }
      result = {*round, *std::move(earlier)};
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return result;
  }

  absl::StatusOr<KeptRound> GetRound(int64_t job_id, int64_t round) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    return FindRound(*database, job_id, round);
  }

  absl::StatusOr<std::vector<v1::ImportanceReport>> ListReports(int64_t job_id, int64_t round, int32_t after_rank,
                                                                int limit) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    Statement query(*database,
                    absl::StrCat("SELECT message, ", kRankIsIntact,
                                 " FROM reports WHERE job = ? AND round = ? AND rank > ? ORDER BY rank LIMIT ?"));
    query.BindNumber(1, job_id);
    query.BindNumber(2, round);
    query.BindNumber(3, after_rank);
    query.BindNumber(4, limit);
    return ReadIntactList<v1::ImportanceReport>(*database, query);
  }

  absl::StatusOr<std::vector<KeptRound>> ListOpenRounds(absl::Time until, int limit) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    Statement query(*database, absl::StrCat("SELECT ", kRoundColumns,
                                            " FROM rounds WHERE is_planned = 0 AND deadline <= ? "
                                            "ORDER BY deadline, job, round LIMIT ?"));
    query.BindNumber(1, ToNumber(until));
    query.BindNumber(2, limit);
    return ReadRows<KeptRound>(query, [&]() -> absl::StatusOr<KeptRound> { return ReadRound(query); });
  }

  absl::Status PutPlan(int64_t job_id, const NewPlan& plan) override {
    const int64_t round = plan.plan.round();
    const std::string message = plan.plan.SerializeAsString();
    const std::string missing_ranks = EncodeRanks(plan.missing_ranks);
    std::optional<RankRow> report;
    if (plan.report.has_value()) report.emplace(*plan.report);
    const absl::Status status = writer_.Run([&](Database& database) -> absl::Status {
      absl::Status status = InsertPlan(database, job_id, round, message, missing_ranks);
      if (!status.ok()) return status;
      if (!report.has_value()) return CloseRound(database, job_id, round);
      if (status = InsertReport(database, job_id, *report); !status.ok()) return status;
      return ReportAndClose(database, job_id, round, plan.opening);
    });
    if (status.ok()) feed_.Publish({.kind = Change::Kind::kPlan, .job_id = job_id, .round = round});
    return status;
  }

  absl::StatusOr<KeptPlan> GetPlan(int64_t job_id, int64_t round) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    Statement query(*database, absl::StrCat("SELECT message, missing_ranks, ", kPlanIsIntact,
                                            " FROM plans WHERE job = ? AND round = ?"));
    query.BindNumber(1, job_id);
    query.BindNumber(2, round);
    absl::Status status = StepToRow(query, [&] {
      return absl::NotFoundError(absl::StrCat("round ", round, " of the job of id ", job_id, " has no plan"));
    });
    if (!status.ok()) return status;
    return ReadPlan(*database, query);
  }

  absl::StatusOr<KeptPlan> GetLatestPlan(int64_t job_id) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    Statement query(*database, absl::StrCat("SELECT message, missing_ranks, ", kPlanIsIntact,
                                            " FROM plans WHERE job = ? ORDER BY round DESC LIMIT 1"));
    query.BindNumber(1, job_id);
    absl::Status status =
        StepToRow(query, [&] { return absl::NotFoundError(absl::StrCat("the job of id ", job_id, " has no plan")); });
    if (!status.ok()) return status;
    return ReadPlan(*database, query);
  }

  absl::StatusOr<std::vector<v1::Plan>> ListPlans(int64_t job_id, int64_t start_round, int limit) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    Statement query(*database, absl::StrCat("SELECT message, ", kPlanIsIntact,
                                            " FROM plans WHERE job = ? AND round >= ? ORDER BY round LIMIT ?"));
    query.BindNumber(1, job_id);
    query.BindNumber(2, start_round);
    query.BindNumber(3, limit);
    return ReadIntactList<v1::Plan>(*database, query);
  }

  absl::StatusOr<std::optional<v1::Outcome>> AddOutcome(int64_t job_id, const v1::Outcome& outcome) override {
    std::optional<v1::Outcome> earlier;
    const RankRow row(outcome);
    const absl::Status status = writer_.Run([&](Database& database) -> absl::Status {
      auto found = InsertOrFindOutcome(database, job_id, row);
      if (!found.ok()) return found.status();
      earlier = *std::move(found);
      return absl::OkStatus();
    });
    if (!status.ok()) return status;
    return earlier;
  }

  absl::StatusOr<std::vector<v1::Outcome>> ListOutcomes(int64_t job_id, int64_t after_round, int32_t after_rank,
                                                        int limit) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    Statement query(*database,
                    absl::StrCat("SELECT message, ", kRankIsIntact,
                                 " FROM outcomes WHERE job = ?1 AND (round > ?2 OR (round = ?2 AND rank > ?3)) "
                                 "ORDER BY round, rank LIMIT ?4"));
    query.BindNumber(1, job_id);
    query.BindNumber(2, after_round);
    query.BindNumber(3, after_rank);
    query.BindNumber(4, limit);
    return ReadIntactList<v1::Outcome>(*database, query);
  }

  absl::StatusOr<std::vector<int64_t>> ListIdleJobs(absl::Time time, int limit) override {
    const ReaderPool::Lease database = readers_.Take();
    if (!database.status().ok()) return database.status();
    Statement query(*database, "SELECT id FROM jobs WHERE last_use < ? ORDER BY id LIMIT ?");
    query.BindNumber(1, ToNumber(time));
    query.BindNumber(2, limit);
    return ReadRows<int64_t>(query, [&]() -> absl::StatusOr<int64_t> { return query.Number(0); });
  }

  absl::Status DeleteReports(int64_t job_id, int64_t round) override {
    for (;;) {
      int64_t num_deleted = 0;
      const absl::Status status = writer_.Run([&](Database& database) {
        Statement remove(database,
                         "DELETE FROM reports WHERE job = ?1 AND (round, rank) IN "
                         "(SELECT r.round, r.rank FROM reports AS r "
                         "JOIN plans AS p ON p.job = r.job AND p.round = r.round "
                         "WHERE r.job = ?1 AND r.round < ?2 ORDER BY r.round, r.rank LIMIT ?3)");
        remove.BindNumber(1, job_id);
        remove.BindNumber(2, round);
        remove.BindNumber(3, kMaxDeletedReports);
        absl::Status removed = remove.Run();
        if (removed.ok()) num_deleted = database.num_changed();
        return removed;
      });
      if (!status.ok() || num_deleted < kMaxDeletedReports) return status;
    }
  }

  std::unique_ptr<Subscription> Subscribe(ChangeListener listener) override {
    return feed_.Subscribe(std::move(listener));
  }

 private:
  const std::unique_ptr<FileLock> lock_;  // Released last.
  const std::unique_ptr<Database> database_;
  GroupCommit writer_;
  ReaderPool readers_;
  ChangeFeed feed_;
};

// An error that no statement of ours can cause in a sound file, such as a column that is not there, is damage too.
absl::Status CheckAndMigrate(Database& database) {
  absl::Status status = database.CheckIntegrity();
  if (status.ok()) status = MigrateSchema(database);
  if (status.ok()) status = CheckContents(database);
  if (!absl::IsInternal(status)) return status;
  return absl::DataLossError(absl::StrCat(database.path(), " is damaged or no database: ", status.message()));
}

// SQLite takes a file of no bytes for a new one and deletes its log. A log is only ever begun beside a file that has
// its first page, so such a file has lost its content.
absl::Status CheckHasNotBeenEmptied(const std::string& path) {
  const auto has_bytes = [](const std::string& file) {
    std::error_code missing;
    const uintmax_t size = std::filesystem::file_size(file, missing);
    return !missing && size > 0;
  };
  if (has_bytes(path) || !has_bytes(path + "-wal")) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(path, " is damaged: it has no content, but its log ", path,
                                          "-wal has; restore both, or remove the log to begin anew"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Store>> OpenSqliteStore(const std::string& path) {
  absl::StatusOr<std::unique_ptr<FileLock>> lock = FileLock::Take(path);
  if (!lock.ok()) return lock.status();
  if (absl::Status status = CheckHasNotBeenEmptied(path); !status.ok()) return status;
  absl::StatusOr<std::unique_ptr<Database>> database = Database::Open(path);
  if (!database.ok()) return database.status();
  if (absl::Status status = (*database)->Execute(kSettings); !status.ok()) return status;
  if (absl::Status status = CheckAndMigrate(**database); !status.ok()) return status;
  return std::make_unique<SqliteStore>(*std::move(lock), *std::move(database));
}

}  // namespace greenplan
