#include "planner/store/postgres/sql_state.h"

#include "gtest/gtest.h"

namespace greenplan::postgres {
namespace {

struct Case {
  const char* sql_state;
  absl::StatusCode code;
  bool is_outcome_unknown;
};

TEST(SqlStateTest, EachStateHasOneMeaning) {
  for (const Case& c : {
           Case{"", absl::StatusCode::kUnavailable, true},
           Case{"08006", absl::StatusCode::kUnavailable, true},
           Case{"57P01", absl::StatusCode::kUnavailable, true},
           Case{"57P03", absl::StatusCode::kUnavailable, true},
           Case{"40003", absl::StatusCode::kUnavailable, true},
           Case{"53300", absl::StatusCode::kUnavailable, false},
           Case{"25006", absl::StatusCode::kUnavailable, false},
           Case{"58030", absl::StatusCode::kUnavailable, false},
           Case{"57014", absl::StatusCode::kUnavailable, false},
           Case{"40001", absl::StatusCode::kAborted, false},
           Case{"40P01", absl::StatusCode::kAborted, false},
           Case{"23505", absl::StatusCode::kAlreadyExists, false},
           Case{"23503", absl::StatusCode::kNotFound, false},
           Case{"53100", absl::StatusCode::kResourceExhausted, false},
           Case{"53200", absl::StatusCode::kResourceExhausted, false},
           Case{"XX001", absl::StatusCode::kDataLoss, false},
           Case{"28P01", absl::StatusCode::kFailedPrecondition, false},
           Case{"3D000", absl::StatusCode::kFailedPrecondition, false},
           Case{"42601", absl::StatusCode::kInternal, false},
       }) {
    EXPECT_EQ(ToStatus(c.sql_state, "postgresql://host/db", "text").code(), c.code) << c.sql_state;
    EXPECT_EQ(IsOutcomeUnknown(c.sql_state), c.is_outcome_unknown) << c.sql_state;
  }
}

TEST(SqlStateTest, TheMessageIsOneLineThatNamesTheMedium) {
  EXPECT_EQ(ToStatus("53100", "postgresql://host/db", "ERROR:  disk full\n\tHINT: free some\n").message(),
            "postgresql://host/db: ERROR:  disk full HINT: free some (SQLSTATE 53100)");
}

}  // namespace
}  // namespace greenplan::postgres
