#include "planner/security/audit.h"

#include "gtest/gtest.h"

namespace greenplan {
namespace {

TEST(AuditTest, HoldsWhatChangesAndWhatIsRefused) {
  EXPECT_TRUE(IsAudited("CreateJob", absl::StatusCode::kOk));
  EXPECT_TRUE(IsAudited("DeleteJob", absl::StatusCode::kOk));
  EXPECT_FALSE(IsAudited("GetJob", absl::StatusCode::kOk));
  EXPECT_FALSE(IsAudited("CreateJob", absl::StatusCode::kInvalidArgument));
  for (const auto code : {absl::StatusCode::kUnauthenticated, absl::StatusCode::kPermissionDenied,
                          absl::StatusCode::kResourceExhausted}) {
    EXPECT_TRUE(IsAudited("GetJob", code));
  }
}

TEST(AuditTest, WritesOneLineThatNoCallerCanForge) {
  const Caller caller = {"a", Role::kTrainer};
  EXPECT_EQ(AuditLine({&caller, "ipv4:10.0.0.1:5000", "CreateJob", "jobs/a", absl::StatusCode::kOk}),
            "tenant=a role=trainer peer=ipv4:10.0.0.1:5000 method=CreateJob resource=jobs/a code=OK");
  EXPECT_EQ(AuditLine({nullptr, "p", "GetJob", "jobs/a code=OK\ntenant=b", absl::StatusCode::kUnauthenticated}),
            "tenant= role= peer=p method=GetJob resource=jobs/a\\x20code=OK\\ntenant=b code=UNAUTHENTICATED");
}

}  // namespace
}  // namespace greenplan
