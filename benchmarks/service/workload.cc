#include "benchmarks/service/workload.h"

#include <utility>

#include "benchmarks/service/check.h"
#include "benchmarks/solver/problems.h"
#include "nlohmann/json.hpp"
#include "planner/convert/convert.h"
#include "planner/convert/digest.h"
#include "profiler/analytic/analytic.h"

namespace greenplan {
namespace {

constexpr int kNumReports = 16;

}  // namespace

Workload::Workload(v1::ModelProfile profile) : profile_(std::move(profile)), digest_(ProfileDigest(profile_)) {
  const absl::StatusOr<ModelProfile> model = ModelProfileFromProto(profile_);
  Check(model.ok(), model.status().ToString());
  TestRandom random(1);
  for (int i = 0; i < kNumReports; ++i) {
    v1::ImportanceReport& report = reports_.emplace_back();
    report.set_profile_digest(digest_);
    report.set_sample_count(8);
    const std::vector<double> importance = RandomImportance(*model, ImportanceKind::kHeavyTailed, random);
    report.mutable_importance()->Add(importance.begin(), importance.end());
  }
}

Workload Workload::Chain(int num_tensors) {
  ModelProfile profile = MakeProfile(GraphShape::kChain, num_tensors, /*seed=*/7);
  return Workload(ModelProfileToProto(profile));
}

Workload Workload::Llama(int num_layers) {
  const nlohmann::json config = {{"model_type", "llama"}, {"num_hidden_layers", num_layers}};
  const auto profile = profiler::AnalyticProfile(config, {.batch_size = 8, .seq_len = 512});
  Check(profile.ok(), profile.status().ToString());
  return Workload(ModelProfileToProto(*profile));
}

v1::Job Workload::Job(const std::string& name, int world_size) const {
  v1::Job job;
  job.set_name(name);
  *job.mutable_profile() = profile_;
  job.mutable_options()->set_method(v1::METHOD_SELECTION);
  job.mutable_options()->mutable_budget()->set_fraction_of_backward(0.5);
  job.set_world_size(world_size);
  return job;
}

v1::ImportanceReport Workload::Report(int64_t round, int rank) const {
  v1::ImportanceReport report = reports_[(round + rank) % kNumReports];
  report.set_round(round);
  report.set_rank(rank);
  return report;
}

}  // namespace greenplan
