// The commands that show what a daemon keeps, as their users run them.

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "greenplan/v1/planner_service.pb.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "planner/cli/fake_planner.h"
#include "planner/cli/greenplan_fixture.h"
#include "planner/client/planner_channel.h"
#include "planner/convert/files.h"

namespace greenplan {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// A daemon that knows the profile of p.json as job "small", with plans of rounds 0 and 1; i.json is what round 1 rests
// on. Half of backward is 130 of 160.
class ServerCommandsTest : public GreenplanTest {
 protected:
  ServerCommandsTest() : channel_(*PlannerChannel::Create(planner_.address(), {})) {
    v1::CreateJobRequest request;
    v1::Job& job = *request.mutable_job();
    job.set_name("jobs/small");
    EXPECT_TRUE(MessageFromJson(kProfile, *job.mutable_profile()).ok());
    job.mutable_options()->set_method(v1::METHOD_SELECTION);
    job.mutable_options()->mutable_budget()->set_fraction_of_backward(0.5);
    job.set_world_size(1);
    job.mutable_quorum_timeout()->set_seconds(90);
    v1::Job kept;
    Call("CreateJob", request, kept);
    profile_digest_ = kept.profile_digest();
    PlanRound(0, {1, 1, 4, 0});
    PlanRound(1, {3, 2, 1, 0});
  }

  void Call(const std::string& method, const google::protobuf::Message& request, google::protobuf::Message& response) {
    const absl::Status status = channel_->Call(method, request, response, absl::Seconds(60));
    ASSERT_TRUE(status.ok()) << method << ": " << status;
  }

  void PlanRound(int64_t round, const std::vector<double>& importance) {
    v1::PlanRoundRequest request;
    request.set_job("jobs/small");
    request.mutable_report()->set_round(round);
    request.mutable_report()->set_profile_digest(profile_digest_);
    request.mutable_report()->mutable_importance()->Add(importance.begin(), importance.end());
    v1::Plan plan;
    Call("PlanRound", request, plan);
  }

  // The command's output against this daemon.
  std::string Output(const std::string& arguments) const {
    const Result result = Run(arguments + " --server " + planner_.address());
    EXPECT_EQ(result.exit_code, 0) << arguments << "\n" << result.err;
    EXPECT_EQ(result.err, "") << arguments;
    return result.out;
  }
  json Json(const std::string& arguments) const { return json::parse(Output(arguments + " --format json")); }
  std::string Offline(const std::string& arguments) const {
    const Result result = Run(arguments);
    EXPECT_EQ(result.exit_code, 0) << arguments << "\n" << result.err;
    return result.out;
  }

  FakePlanner planner_;
  const std::unique_ptr<PlannerChannel> channel_;
  std::string profile_digest_;
};

TEST_F(ServerCommandsTest, JobsAreListed) {
  const json rows = Json("jobs list");
  ASSERT_EQ(rows.size(), 1);
  const json& row = rows[0];
  EXPECT_EQ(row["job"], "small");
  EXPECT_EQ(row["method"], "selection");
  EXPECT_EQ(row["budget"], 0.5);
  EXPECT_EQ(row["budget_of"], "backward");
  EXPECT_EQ(row["world_size"], 1);
  EXPECT_EQ(row["profile_revision"], 1);
  EXPECT_EQ(row["profile_digest"], profile_digest_);
  EXPECT_EQ(row["quorum_timeout_seconds"], 90);
  EXPECT_THAT(row["create_time"].get<std::string>(), ::testing::EndsWith("Z"));
  EXPECT_THAT(Output("jobs list"), AllOf(StartsWith("job    method     budget"), HasSubstr("0.5 of backward")));
  EXPECT_THAT(Output("jobs list --format csv"), HasSubstr("\nsmall,selection,0.5,backward,1,1,"));
}

TEST_F(ServerCommandsTest, AJobIsShownAndItsProfileSaved) {
  const json job = Json("jobs get small --output saved.json");
  EXPECT_EQ(job["model"], "small");
  EXPECT_EQ(job["cost_unit"], "COST_UNIT_FLOPS");
  EXPECT_EQ(job["tensor_count"], 4);
  EXPECT_EQ(job["block_count"], 2);
  EXPECT_EQ(job["parameter_count"], 14);
  EXPECT_EQ(job["full_cost"], 160);
  EXPECT_EQ(job["options"]["budget"]["fraction_of_backward"], 0.5);
  EXPECT_THAT(Output("jobs get jobs/small"), HasSubstr("tensors           4, 14 parameters\n"));
  EXPECT_EQ(Offline("cost --profile saved.json --trainable c --format json"),
            Offline("cost --profile p.json --trainable c --format json"));
}

TEST_F(ServerCommandsTest, ADeletedJobIsGone) {
  EXPECT_EQ(Output("jobs delete small"), "deleted small\n");
  EXPECT_EQ(Json("jobs list"), json::array());
  EXPECT_EQ(Output("jobs list --format csv"),
            "job,method,budget,budget_of,world_size,profile_revision,profile_digest,quorum_timeout_seconds,create_time,"
            "update_time\n");
  const std::string server = " --server " + planner_.address();
  ExpectRefused("jobs delete small" + server, "jobs/small does not exist");
  ExpectRefused("jobs get small" + server, "jobs/small does not exist");
}

TEST_F(ServerCommandsTest, PlansAreListedByRound) {
  const json rows = Json("plans list small");
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0]["round"], 0);
  EXPECT_EQ(rows[1]["round"], 1);
  EXPECT_EQ(rows[1]["method"], "selection");
  EXPECT_EQ(rows[1]["status"], "OPTIMAL");
  EXPECT_EQ(rows[1]["trainable_count"], 2);
  EXPECT_EQ(rows[1]["predicted_cost"], 130);
  EXPECT_EQ(rows[1]["budget"], 130);
  EXPECT_EQ(rows[1]["full_cost"], 160);
  EXPECT_EQ(rows[1]["value"], 3);
  EXPECT_THAT(Output("plans list small"), HasSubstr("130 FLOPs"));
  EXPECT_THAT(Output("plans list small --format csv"), HasSubstr("\n1,selection,exact,OPTIMAL,,2,130,30,130,160,3.0,"));
}

TEST_F(ServerCommandsTest, APlanIsPrintedAsThePlanCommandPrintsIt) {
  const std::string offline = "plan --profile p.json --importance i.json --budget 0.5 --budget-of backward --format ";
  json plan = Json("plans get small 1");
  EXPECT_EQ(plan["profile_revision"], 1);
  plan["profile_revision"] = 0;  // A plan outside a job.
  EXPECT_EQ(plan, json::parse(Offline(offline + "json")));
  EXPECT_EQ(Output("plans get small 1"), Offline(offline + "table"));
}

TEST_F(ServerCommandsTest, AnExplanationIsThatOfTheExplainCommand) {
  Write("plan.json", Output("plans get small 1 --format json"));
  const std::string offline = "explain --profile p.json --importance i.json --plan plan.json";
  for (const std::string format : {" --format table", " --format json", " --format csv"}) {
    EXPECT_EQ(Output("plans explain small 1" + format), Offline(offline + format));
  }
  EXPECT_EQ(Output("plans explain small 1 --importance i.json --budgets 130,140 --budget-of absolute"),
            Offline("explain --profile p.json --importance i.json --plan plan.json --budgets 130,140 "
                    "--budget-of absolute"));
  EXPECT_NE(Output("plans explain small 0"), Output("plans explain small 0 --importance i.json"));
}

TEST_F(ServerCommandsTest, ACurveIsThatOfTheWhatIfCommand) {
  const std::string offline = "whatif --profile p.json --importance i.json";
  for (const std::string flags :
       {" --budgets 0.7:1:0.1", " --budgets 0.75,auto --format json", " --budgets 1 --format csv",
        " --budgets 0.8,1 --format html", " --budgets 120:160:20 --budget-of absolute",
        " --method joint --mu 1 --budgets 0.8", " --always c --budgets 0.9 --format json"}) {
    EXPECT_EQ(Output("whatif --job small" + flags), Offline(offline + flags)) << flags;
  }
}

TEST_F(ServerCommandsTest, ACurveTakesAnyRoundAndItsProfile) {
  Write("first.json", R"({"importance": [1, 1, 4, 0]})");
  v1::UpdateJobRequest request;
  request.mutable_job()->set_name("jobs/small");
  EXPECT_TRUE(MessageFromJson(kProfile, *request.mutable_job()->mutable_profile()).ok());
  request.mutable_job()->mutable_profile()->set_forward_cost(1000);
  v1::Job kept;
  Call("UpdateJob", request, kept);
  EXPECT_EQ(kept.profile_revision(), 2);
  EXPECT_EQ(Output("whatif --job small --round 0 --budgets 0.8,1"),
            Offline("whatif --profile p.json --importance first.json --budgets 0.8,1"));
}

TEST_F(ServerCommandsTest, TheJobsLimitOnSavedBytesHolds) {
  v1::UpdateJobRequest request;
  request.mutable_job()->set_name("jobs/small");
  v1::PlanOptions& options = *request.mutable_job()->mutable_options();
  options.set_method(v1::METHOD_SELECTION);
  options.mutable_budget()->set_fraction_of_full(1);
  options.mutable_budget()->set_max_saved_bytes(3);
  v1::Job kept;
  Call("UpdateJob", request, kept);
  EXPECT_EQ(Output("whatif --job small --budgets 1"),
            Offline("whatif --profile p.json --importance i.json --budgets 1 --max-saved-bytes 3"));
  EXPECT_EQ(Output("whatif --job small --budgets 1 --max-saved-bytes 8"),
            Offline("whatif --profile p.json --importance i.json --budgets 1 --max-saved-bytes 8"));
}

TEST_F(ServerCommandsTest, RefusesBadInputInOneLine) {
  const std::string server = " --server " + planner_.address();
  ExpectRefused("jobs get" + server, "JOB is required");
  ExpectRefused("jobs get a/b" + server,
                "JOB is \"jobs/a/b\"; must be jobs/{job}, {job} being 1 to 128 characters of [A-Za-z0-9._-]");
  ExpectRefused("jobs", "a command of jobs is required; allowed: list, get, delete");
  ExpectRefused("plans get small" + server, "ROUND is required");
  ExpectRefused("plans get small many" + server, "ROUND is many; allowed: an integer");
  ExpectRefused("plans get small 7" + server, "jobs/small/plans/7 does not exist");
  ExpectRefused("plans list small --format xml" + server, "--format is xml; allowed: table, json, csv");
  ExpectRefused("plans explain small 0 --budgets 2" + server, "--budgets is 2; allowed: a number in (0, 1], or auto");
  ExpectRefused("jobs list --server nowhere",
                "--server is nowhere; allowed: HOST:PORT[,HOST:PORT...], PORT being 1 to 65535");
  ExpectRefused("jobs list --tls-ca none.pem" + server, "--tls-ca: none.pem cannot be read: No such file or directory");
}

TEST_F(ServerCommandsTest, WhatIfTakesAJobOrFiles) {
  ExpectRefused("whatif --job small --profile p.json --budgets 1",
                "--job is small beside --profile; allowed: a job or files");
  ExpectRefused("whatif --budgets 1", "--profile or --job is required");
  ExpectRefused("whatif --profile p.json --budgets 1", "--importance is required with --profile");
  ExpectRefused("whatif --profile p.json --importance i.json --budgets 1 --round 0",
                "--round is 0; allowed: with --job only");
  ExpectRefused("whatif --job small --budgets 2 --server " + planner_.address(),
                "--budgets is 2; allowed: a number in (0, 1], or auto");
}

TEST_F(ServerCommandsTest, TheServerComesFromTheEnvironmentToo) {
  setenv("GREENPLAN_SERVER", planner_.address().c_str(), 1);
  EXPECT_THAT(RunJson("jobs list"), ::testing::SizeIs(1));
  EXPECT_THAT(RunJson("plans list small"), ::testing::SizeIs(2));
  unsetenv("GREENPLAN_SERVER");
}

}  // namespace
}  // namespace greenplan
