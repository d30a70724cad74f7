#ifndef GREENPLAN_PLANNER_STORE_SQLITE_CONTENTS_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_CONTENTS_H_

#include "absl/status/status.h"
#include "planner/store/sqlite/database.h"

namespace greenplan {

// Checks what SQLite's own integrity check does not see: that every message is as it was written (checksum.h), and that
// the tables agree with each other. Reads the whole file. DataLoss names the first fault found. REQUIRES: the schema is
// up to date.
absl::Status CheckContents(Database& database);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_CONTENTS_H_
