// What libgreenplan's planner handle costs beside the C++ call behind it: planning a model again with new importance.
//
// The C++ side parses the report and plans; the library does the same behind its JSON, and writes the plan. Each row is
// the ratio of the two, in one run: the median over rounds that take turns.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "planner/capi/greenplan.h"
#include "planner/convert/convert.h"
#include "planner/convert/files.h"
#include "planner/job/planning.h"
#include "planner/job/prepared_profile.h"
#include "profiler/analytic/analytic.h"

namespace greenplan {
namespace {

constexpr int kRounds = 200;
constexpr char kOptions[] = R"({"budget": {"fraction_of_backward": 0.5}})";

double Microseconds(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

// The importance of a round: every tensor's is another one than in the round before.
std::string ReportOf(int round, size_t num_tensors) {
  nlohmann::json importance = nlohmann::json::array();
  uint64_t state = 88172645463325252ULL + round;
  for (size_t k = 0; k < num_tensors; ++k) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    importance.push_back(static_cast<double>(state >> 11) / 9007199254740992.0);
  }
  return nlohmann::json({{"importance", std::move(importance)}}).dump();
}

void CheckOk(bool ok, const std::string& what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what.c_str());
  std::exit(1);
}

void Row(const std::string& name, int num_layers) {
  const nlohmann::json config = {{"model_type", "llama"}, {"num_hidden_layers", num_layers}};
  const auto model = profiler::AnalyticProfile(config, {.batch_size = 8, .seq_len = 512});
  CheckOk(model.ok(), model.status().ToString());
  const v1::ModelProfile message = ModelProfileToProto(*model);
  const auto prepared = PreparedProfile::Create(message);
  v1::PlanOptions options_message;
  CheckOk(MessageFromJson(kOptions, options_message).ok(), kOptions);
  const auto options = (*prepared)->ReadOptions(options_message);

  greenplan_buffer answer;
  greenplan_planner* planner = nullptr;
  const std::string profile = "{\"profile\": " + MessageToJson(message) + "}";
  CheckOk(greenplan_planner_new(profile.data(), profile.size(), &planner, &answer) == 0, "greenplan_planner_new");
  greenplan_buffer_free(&answer);

  std::vector<double> cpp, library;
  for (int round = 0; round < kRounds; ++round) {
    const std::string report = ReportOf(round, model->tensors.size());
    auto start = std::chrono::steady_clock::now();
    v1::ImportanceReport report_message;
    CheckOk(MessageFromJson(report, report_message).ok(), "report");
    const auto measurements = (*prepared)->ReadReport(report_message, *options);
    const auto plan = MakePlan((*prepared)->planner(), {.measurements = &*measurements, .options = &*options});
    cpp.push_back(Microseconds(start));
    CheckOk(plan.ok(), plan.status().ToString());

    const std::string request = std::string("{\"options\": ") + kOptions + ", \"importance\": " + report + "}";
    start = std::chrono::steady_clock::now();
    const int code = greenplan_planner_plan(planner, request.data(), request.size(), &answer);
    library.push_back(Microseconds(start));
    CheckOk(code == 0, answer.data == nullptr ? "no memory" : answer.data);
    const bool same = nlohmann::json::parse(answer.data)["digest"] == (*prepared)->WritePlan(*plan).digest();
    CheckOk(same, "the two plans differ");
    greenplan_buffer_free(&answer);
  }
  greenplan_planner_free(planner);
  std::printf("%-12s %8zu %16.0f %16.0f %8.2f\n", name.c_str(), model->tensors.size(), Median(cpp), Median(library),
              Median(library) / Median(cpp));
}

}  // namespace
}  // namespace greenplan

int main() {
  std::printf("%-12s %8s %16s %16s %8s\n", "model", "tensors", "C++ us", "libgreenplan us", "ratio");
  greenplan::Row("llama-32", 32);
  greenplan::Row("llama-80", 80);
  greenplan::Row("llama-320", 320);
}
