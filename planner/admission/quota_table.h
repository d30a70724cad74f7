#ifndef GREENPLAN_PLANNER_ADMISSION_QUOTA_TABLE_H_
#define GREENPLAN_PLANNER_ADMISSION_QUOTA_TABLE_H_

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// What one tenant may use. The default is no limit.
struct Quota {
  // Jobs that are kept at a time.
  int64_t jobs = std::numeric_limits<int64_t>::max();

  // Bytes of the kept jobs in all their revisions, as Store::GetUsage counts them.
  int64_t bytes = std::numeric_limits<int64_t>::max();

  // Calls of any RPC, > 0.
  double calls_per_second = std::numeric_limits<double>::infinity();

  // Seconds of planning per minute, > 0.
  double solver_seconds_per_minute = std::numeric_limits<double>::infinity();

  friend bool operator==(const Quota&, const Quota&) = default;
};

// The quotas file, which is TOML:
//
//   [default]                       # For every tenant, as far as it has no [[quota]] that says otherwise.
//   jobs = 1000
//   calls_per_second = 200
//
//   [[quota]]
//   tenant = "team-a"
//   jobs = 50
//   bytes = 1_000_000_000
//   calls_per_second = 20.5
//   solver_seconds_per_minute = 30
//
// What neither names is not limited. A daemon without tokens has one tenant, for which [default] stands.
// Immutable, thus thread-safe.
//
//   absl::StatusOr<QuotaTable> table = QuotaTable::Parse(text);
//   const Quota& quota = table->Of("team-a");
class QuotaTable {
 public:
  // Limits nobody.
  QuotaTable() = default;

  // Reads the text of a quotas file. InvalidArgument if `text` is not such a file, if a key is unknown or malformed, or
  // if a tenant appears twice. The message begins with the line, as in "line 3: ".
  static absl::StatusOr<QuotaTable> Parse(absl::string_view text);

  // Returns the quota of a tenant: its own, with [default] for what its [[quota]] does not name. O(1).
  const Quota& Of(const std::string& tenant) const;

  // Returns the tenants that have a [[quota]], in alphabetical order.
  std::vector<std::string> Tenants() const;

 private:
  Quota default_;
  absl::flat_hash_map<std::string, Quota> quotas_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_ADMISSION_QUOTA_TABLE_H_
