// What is read beside a profile: a plan as `greenplan plan` prints it, drop rates, and an importance report, all as
// JSON. The first byte chooses which.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/plan.pb.h"
#include "nlohmann/json.hpp"
#include "planner/convert/convert.h"
#include "planner/convert/files.h"
#include "planner/convert/plan_json.h"
#include "tests/fuzz/require.h"

namespace greenplan {
namespace {

ModelProfile SmallProfile() {
  ModelProfile profile;
  profile.ops = {{.inputs = {{1, 10}}, .block = 0}, {.block = 1}};
  profile.tensors = {{.name = "a", .op = 0}, {.name = "b", .op = 1}, {.name = "unreached"}};
  profile.blocks = {"top", "bottom"};
  return profile;
}

void ReadPlan(const nlohmann::json& json, const ModelProfile& profile) {
  if (!IsPlanWithNames(json)) return;
  const absl::StatusOr<v1::Plan> message = PlanFromJson(json, profile);
  if (!message.ok()) {
    RequireInvalidArgument(message.status());
    return;
  }
  const absl::StatusOr<Plan> plan = PlanFromProto(*message, profile);
  if (!plan.ok()) {
    RequireInvalidArgument(plan.status());
    return;
  }
  Require(plan->trainable.size() == profile.tensors.size(), "a plan says of every tensor whether it trains");
  Require(plan->drop_rates.empty() || plan->drop_rates.size() == profile.blocks.size(), "and of every block its rate");
}

void ReadRates(const nlohmann::json& json, const ModelProfile& profile) {
  const absl::StatusOr<std::vector<double>> rates = DropRatesFromJson(json, profile);
  if (!rates.ok()) {
    RequireInvalidArgument(rates.status());
    return;
  }
  for (const double rate : *rates) Require(rate >= 0 && rate <= 1, "a drop rate is a probability");
}

void ReadReport(absl::string_view text, const ModelProfile& profile) {
  v1::ImportanceReport message;
  if (const absl::Status status = MessageFromJson(text, message); !status.ok()) {
    RequireInvalidArgument(status);
    return;
  }
  for (const Method method : {Method::kSelection, Method::kDrop}) {
    const absl::StatusOr<Measurements> measurements = MeasurementsFromProto(message, profile, method);
    if (!measurements.ok()) {
      RequireInvalidArgument(measurements.status());
    } else {
      Require(measurements->importance.size() == profile.tensors.size(), "a report measures every tensor");
    }
  }
}

void Read(uint8_t choice, absl::string_view text) {
  const ModelProfile profile = SmallProfile();
  if (choice == 'r') {
    ReadReport(text, profile);
    return;
  }
  const nlohmann::json json = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return;
  choice == 'd' ? ReadRates(json, profile) : ReadPlan(json, profile);
}

}  // namespace
}  // namespace greenplan

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  greenplan::Read(data[0], {reinterpret_cast<const char*>(data + 1), size - 1});
  return 0;
}
