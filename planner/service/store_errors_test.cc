#include "planner/service/store_errors.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace greenplan {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(StoreErrorsTest, TheClientLearnsThatTheStoreFailedAndTheLogWhere) {
  const struct {
    absl::Status error;
    absl::StatusCode code;
    const char* message;
  } cases[] = {
      {absl::UnavailableError("/secret/path is in use"), absl::StatusCode::kUnavailable, "try again"},
      {absl::ResourceExhaustedError("/secret/path cannot grow"), absl::StatusCode::kUnavailable, "is full"},
      {absl::FailedPreconditionError("/secret/path cannot be opened for writing"), absl::StatusCode::kUnavailable,
       "try again"},
      {absl::DataLossError("/secret/path is damaged"), absl::StatusCode::kInternal, "is damaged"},
      {absl::InternalError("/secret/path failed"), absl::StatusCode::kInternal, "failed"},
      {absl::PermissionDeniedError("/secret/path is not yours"), absl::StatusCode::kInternal, "failed"},
  };
  for (const auto& [error, code, message] : cases) {
    std::vector<absl::Status> log;
    const absl::Status answer = HideStoreError(error, [&](const absl::Status& status) { log.push_back(status); });
    EXPECT_EQ(answer.code(), code) << error;
    EXPECT_THAT(answer.message(), HasSubstr(message));
    EXPECT_THAT(answer.message(), Not(HasSubstr("/secret/path")));
    EXPECT_EQ(log, std::vector<absl::Status>{error});
    EXPECT_EQ(HideStoreError(error, nullptr), answer);
  }
}

}  // namespace
}  // namespace greenplan
