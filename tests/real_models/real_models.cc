#include "tests/real_models/real_models.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "greenplan/v1/importance.pb.h"
#include "greenplan/v1/profile.pb.h"
#include "nlohmann/json.hpp"
#include "planner/convert/convert.h"
#include "planner/convert/files.h"
#include "planner/files/files.h"

namespace greenplan {
namespace {

constexpr char kFolder[] = "tests/real_models/testdata/";

absl::StatusOr<RealModel> LoadModel(const std::string& name, bool is_chain) {
  const auto message = ReadMessageFile<v1::ModelProfile>(absl::StrCat(kFolder, name, ".json.gz"));
  if (!message.ok()) return message.status();
  absl::StatusOr<ModelProfile> profile = ModelProfileFromProto(*message);
  if (!profile.ok()) return profile.status();
  RealModel model{.name = name, .is_chain = is_chain, .profile = *std::move(profile)};
  for (const char* kind : {"lognorm", "rdecay", is_chain ? "ssum" : "sizecorr"}) {
    const auto report =
        ReadMessageFile<v1::ImportanceReport>(absl::StrCat(kFolder, name, ".", kind, ".importance.json.gz"));
    if (!report.ok()) return report.status();
    model.importances.push_back(
        {.kind = kind, .importance = {report->importance().begin(), report->importance().end()}});
  }
  return model;
}

void AddOptimum(const nlohmann::json& optimum, std::vector<RealModel>& models) {
  for (RealModel& model : models) {
    if (model.name != optimum["profile"]) continue;
    for (RealImportance& importance : model.importances) {
      if (importance.kind != optimum["importance"]) continue;
      importance.optima.push_back({optimum["backward_budget"], optimum["fraction_of_backward"], optimum["value"]});
    }
  }
}

}  // namespace

absl::StatusOr<std::vector<RealModel>> LoadRealModels() {
  std::vector<RealModel> models;
  for (const auto& [name, is_chain] : {std::pair{"bloomz-3b", true},
                                       {"flan-t5-xl", true},
                                       {"llama2-7b", true},
                                       {"opt-2.7b", true},
                                       {"gpt2", false},
                                       {"t5-small", false}}) {
    absl::StatusOr<RealModel> model = LoadModel(name, is_chain);
    if (!model.ok()) return model.status();
    models.push_back(*std::move(model));
  }
  const absl::StatusOr<std::string> optima = ReadFile(absl::StrCat(kFolder, "optima.json"));
  if (!optima.ok()) return optima.status();
  for (const nlohmann::json& optimum : nlohmann::json::parse(*optima)) AddOptimum(optimum, models);
  return models;
}

}  // namespace greenplan
