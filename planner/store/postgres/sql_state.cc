#include "planner/store/postgres/sql_state.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace greenplan::postgres {
namespace {

struct Meaning {
  absl::string_view sql_state;  // A whole state, or the two characters of a class.
  absl::StatusCode code;
};

// The first match counts. PostgreSQL's documentation lists the states in appendix A.
constexpr Meaning kMeanings[] = {
    {"23505", absl::StatusCode::kAlreadyExists},       // unique_violation
    {"23503", absl::StatusCode::kNotFound},            // foreign_key_violation
    {"40001", absl::StatusCode::kAborted},             // serialization_failure
    {"40P01", absl::StatusCode::kAborted},             // deadlock_detected
    {"40003", absl::StatusCode::kUnavailable},         // statement_completion_unknown
    {"08", absl::StatusCode::kUnavailable},            // connection exceptions
    {"53300", absl::StatusCode::kUnavailable},         // too_many_connections
    {"53", absl::StatusCode::kResourceExhausted},      // disk_full, out_of_memory
    {"55P03", absl::StatusCode::kUnavailable},         // lock_not_available
    {"57014", absl::StatusCode::kUnavailable},         // query_canceled: a statement_timeout of the server
    {"57P", absl::StatusCode::kUnavailable},           // the server starts, stops or has crashed
    {"58030", absl::StatusCode::kUnavailable},         // io_error
    {"25006", absl::StatusCode::kUnavailable},         // read_only_sql_transaction: a standby
    {"XX001", absl::StatusCode::kDataLoss},            // data_corrupted
    {"XX002", absl::StatusCode::kDataLoss},            // index_corrupted
    {"28", absl::StatusCode::kFailedPrecondition},     // the user or the password is wrong
    {"3D", absl::StatusCode::kFailedPrecondition},     // the database does not exist
    {"42501", absl::StatusCode::kFailedPrecondition},  // insufficient_privilege
    {"42P01", absl::StatusCode::kFailedPrecondition},  // undefined_table: dropped behind our back
    {"42703", absl::StatusCode::kFailedPrecondition},  // undefined_column
};

absl::StatusCode Code(absl::string_view sql_state) {
  if (sql_state.empty()) return absl::StatusCode::kUnavailable;
  for (const Meaning& meaning : kMeanings) {
    if (absl::StartsWith(sql_state, meaning.sql_state)) return meaning.code;
  }
  return absl::StatusCode::kInternal;
}

}  // namespace

absl::Status ToStatus(absl::string_view sql_state, const std::string& medium, absl::string_view server_message) {
  const std::string one_line =
      absl::StrReplaceAll(absl::StripAsciiWhitespace(server_message), {{"\n", " "}, {"\t", ""}});
  const std::string suffix = sql_state.empty() ? "" : absl::StrCat(" (SQLSTATE ", sql_state, ")");
  return absl::Status(Code(sql_state), absl::StrCat(medium, ": ", one_line, suffix));
}

bool IsOutcomeUnknown(absl::string_view sql_state) {
  return sql_state.empty() || sql_state == "40003" || absl::StartsWith(sql_state, "08") ||
         absl::StartsWith(sql_state, "57P");
}

}  // namespace greenplan::postgres
