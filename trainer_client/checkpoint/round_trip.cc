// For tests/transformers_roundtrip.py. Loads a checkpoint folder (or makes a model where it holds config.json alone),
// writes it to another folder, and tells what the model computes and what masked backward passes execute.
//
// usage: round_trip FROM TO sdpa|eager
// stdin:  {"input_ids": [[...]], "masks": [[names of the trainable parameters], ...]}
// stdout: {"loss": mean cross-entropy in eval mode, "backward_flops": [one a mask, in training mode]}
#include <filesystem>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "planner/files/json_reader.h"
#include "profiler/autograd/executed_flops.h"
#include "trainer_client/checkpoint/checkpoint.h"
#include "trainer_client/checkpoint/weights.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

absl::StatusOr<Checkpoint> LoadOrMake(const std::string& folder, Attention attention) {
  if (OpenWeights(folder).status().code() != absl::StatusCode::kNotFound) return LoadCheckpoint(folder, attention);
  absl::StatusOr<json> config = ReadJsonObjectFile(folder + "/config.json");
  if (!config.ok()) return config.status();
  absl::StatusOr<std::shared_ptr<CausalLm>> model = CreateCausalLm(*config, attention);
  if (!model.ok()) return model.status();
  return Checkpoint{*std::move(config), *std::move(model)};
}

torch::Tensor Matrix(const json& rows) {
  std::vector<int64_t> flat;
  for (const json& row : rows) flat.insert(flat.end(), row.begin(), row.end());
  return torch::tensor(flat).view({static_cast<int64_t>(rows.size()), -1});
}

int64_t BackwardFlops(CausalLm& model, const torch::Tensor& input_ids, const std::set<std::string>& trainable) {
  for (auto& parameter : model.named_parameters()) {
    parameter.value().mutable_grad() = torch::Tensor();
    parameter.value().requires_grad_(trainable.contains(parameter.key()));
  }
  const torch::Tensor loss = CausalLmLoss(model.forward(input_ids), input_ids);
  const profiler::ExecutedFlopsCounter counter;
  loss.backward();
  return counter.backward_flops();
}

absl::StatusOr<json> Run(const std::string& from, const std::string& to, Attention attention, const json& request) {
  absl::StatusOr<Checkpoint> checkpoint = LoadOrMake(from, attention);
  if (!checkpoint.ok()) return checkpoint.status();
  if (absl::Status status = SaveCheckpoint(*checkpoint, to); !status.ok()) return status;
  const torch::Tensor input_ids = Matrix(request["input_ids"]);
  CausalLm& model = *checkpoint->model;
  model.eval();
  json reply = {{"loss", CausalLmLoss(model.forward(input_ids), input_ids).item<double>()},
                {"backward_flops", json::array()}};
  model.train();
  for (const json& mask : request["masks"]) {
    reply["backward_flops"].push_back(BackwardFlops(model, input_ids, mask.get<std::set<std::string>>()));
  }
  return reply;
}

}  // namespace
}  // namespace greenplan::trainer

int main(int argc, char** argv) {
  using greenplan::trainer::Attention;
  if (argc != 4) {
    std::cerr << "usage: round_trip FROM TO sdpa|eager\n";
    return 2;
  }
  const Attention attention = std::string(argv[3]) == "eager" ? Attention::kEager : Attention::kSdpa;
  const auto reply = greenplan::trainer::Run(argv[1], argv[2], attention, nlohmann::json::parse(std::cin));
  if (!reply.ok()) {
    std::cerr << "round_trip: " << reply.status().message() << "\n";
    return 1;
  }
  std::cout << *reply << "\n";
}
