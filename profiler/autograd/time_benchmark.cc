// Prints how well backward of random masks is predicted, in time and in FLOPs, for models whose backward takes 50 ms or
// more on two cores:
//
//   OMP_NUM_THREADS=1 ./dev bench profiler
//
// With OMP_NUM_THREADS=1 two shared cores give little noise. Without it, all cores are used. The process keeps the
// memory that it frees, as greenplan-finetune does (freed_memory.h).
//
// Each measured backward of a mask follows a full backward immediately, and its time is taken as a share of that one.
// The mask's time is the median of these shares, so a machine that gets slower or faster meanwhile causes no error.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ATen/ops/randint.h"
#include "nlohmann/json.hpp"
#include "planner/core/cost.h"
#include "profiler/autograd/executed_flops.h"
#include "profiler/autograd/freed_memory.h"
#include "profiler/autograd/profile.h"
#include "profiler/autograd/profile_time.h"
#include "profiler/autograd/testing/chain_model.h"
#include "profiler/autograd/testing/models.h"
#include "tests/statistics/quantile.h"
#include "trainer_client/models/causal_lm.h"

namespace greenplan::profiler {
namespace {

using testing::Model;

constexpr int kMasks = 20;
constexpr int kRounds = 7;

Model CausalLmModel(const std::string& name, const nlohmann::json& config, int64_t batch, int64_t length) {
  auto model = trainer::CreateCausalLm(config, trainer::Attention::kSdpa);
  if (!model.ok()) {
    std::fprintf(stderr, "%s\n", model.status().ToString().c_str());
    std::exit(1);
  }
  const at::Tensor ids = at::randint(3, (*model)->vocab_size(), {batch, length}, at::kLong);
  Model result{.name = name, .parameters = {}, .inputs = {ids}, .loss = [model = *model, ids] {
                 return trainer::CausalLmLoss(model->forward(ids), ids);
               }};
  for (const auto& parameter : (*model)->named_parameters()) {
    result.parameters.emplace_back(parameter.key(), parameter.value());
  }
  return result;
}

std::vector<Model> Models() {
  const nlohmann::json llama = {{"model_type", "llama"},    {"hidden_size", 256},
                                {"intermediate_size", 688}, {"num_hidden_layers", 6},
                                {"num_attention_heads", 8}, {"num_key_value_heads", 4},
                                {"vocab_size", 2048},       {"max_position_embeddings", 256}};
  const nlohmann::json opt = {
      {"model_type", "opt"}, {"hidden_size", 256},       {"ffn_dim", 1024},    {"num_hidden_layers", 6},
      {"dropout", 0.1},      {"num_attention_heads", 8}, {"vocab_size", 2048}, {"max_position_embeddings", 256}};
  std::vector<Model> models;
  models.push_back(CausalLmModel("LLaMA, 6 layers of 256", llama, 4, 128));
  models.push_back(CausalLmModel("OPT, 6 layers of 256", opt, 4, 128));
  models.push_back(testing::EncoderDecoder({.batch = 4,
                                            .source_length = 96,
                                            .target_length = 64,
                                            .vocabulary = 2048,
                                            .width = 256,
                                            .inner = 256,
                                            .heads = 8,
                                            .feed_forward = 1024,
                                            .layers = 4}));
  models.push_back(testing::ResidualConvolutions(/*batch=*/16, /*image_size=*/32, /*width=*/32));
  return models;
}

void Train(const Model& model, const std::vector<bool>& trainable) {
  for (size_t k = 0; k < model.parameters.size(); ++k) {
    at::Tensor parameter = model.parameters[k].second;
    parameter.set_requires_grad(trainable[k]);
    parameter.mutable_grad().reset();
  }
}

double BackwardMilliseconds(const Model& model, const std::vector<bool>& trainable) {
  Train(model, trainable);
  const at::Tensor loss = model.loss();
  const auto start = std::chrono::steady_clock::now();
  loss.backward();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

int64_t ExecutedBackwardFlops(const Model& model, const std::vector<bool>& trainable) {
  Train(model, trainable);
  const ExecutedFlopsCounter counter;
  model.loss().backward();
  return counter.backward_flops();
}

// Selects each tensor with the same probability, which differs from mask to mask. About every fourth mask selects a
// single tensor.
std::vector<bool> RandomMask(const ModelProfile& profile, std::mt19937_64& random) {
  std::vector<bool> mask(profile.tensors.size(), false);
  std::bernoulli_distribution selected(std::uniform_real_distribution<double>(0, 1)(random));
  const bool single = random() % 4 == 0;
  for (size_t k = 0; k < mask.size(); ++k) mask[k] = !single && selected(random) && profile.tensors[k].op != kNone;
  while (std::find(mask.begin(), mask.end(), true) == mask.end()) {
    const size_t k = random() % mask.size();
    mask[k] = profile.tensors[k].op != kNone;
  }
  return mask;
}

struct Measured {
  std::vector<double> full;    // The milliseconds of every full backward.
  std::vector<double> shares;  // [num_masks]: the mask's time as a share of full backward.
};

Measured Measure(const Model& model, const std::vector<bool>& full, const std::vector<std::vector<bool>>& masks) {
  Measured measured;
  std::vector<std::vector<double>> shares(masks.size());
  for (int round = 0; round < kRounds; ++round) {
    for (size_t i = 0; i < masks.size(); ++i) {
      measured.full.push_back(BackwardMilliseconds(model, full));
      shares[i].push_back(BackwardMilliseconds(model, masks[i]) / measured.full.back());
    }
  }
  for (const std::vector<double>& share : shares) measured.shares.push_back(Quantile(share, 0.5));
  return measured;
}

double Error(double predicted, double truth) { return 100 * std::abs(predicted / truth - 1); }

std::string MedianAndP90(const std::vector<double>& percent) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.1f / %.1f", Quantile(percent, 0.5), Quantile(percent, 0.9));
  return text;
}

absl::Status Judge(const Model& model) {
  const std::vector<bool> all(model.parameters.size(), true);
  Train(model, all);
  const absl::StatusOr<ModelProfile> flops = Profile(model.loss(), model.parameters);
  if (!flops.ok()) return flops.status();
  const absl::StatusOr<ModelProfile> time = ProfileTime(model.loss, model.parameters);
  if (!time.ok()) return time.status();
  const std::vector<bool> full = FullMask(*flops);
  const double full_flops = static_cast<double>(EvaluateMask(*flops, full).backward_cost);
  const double full_time = static_cast<double>(EvaluateMask(*time, full).backward_cost);

  std::mt19937_64 random(20260302);
  std::vector<std::vector<bool>> masks;
  for (int i = 0; i < kMasks; ++i) masks.push_back(RandomMask(*flops, random));
  const Measured measured = Measure(model, full, masks);
  const double full_milliseconds = Quantile(measured.full, 0.5);

  std::vector<double> noise, ours, ours_absolute, by_flops, chain_flops, our_flops;
  for (const double t : measured.full) noise.push_back(Error(t, full_milliseconds));
  for (size_t i = 0; i < masks.size(); ++i) {
    const double predicted = static_cast<double>(EvaluateMask(*time, masks[i]).backward_cost);
    const double predicted_flops = static_cast<double>(EvaluateMask(*flops, masks[i]).backward_cost);
    const double executed_flops = static_cast<double>(ExecutedBackwardFlops(model, masks[i]));
    ours.push_back(Error(predicted / full_time, measured.shares[i]));
    ours_absolute.push_back(Error(predicted * 1e-6, measured.shares[i] * full_milliseconds));
    by_flops.push_back(Error(predicted_flops / full_flops, measured.shares[i]));
    if (executed_flops == 0) continue;  // The mask selects only norms above every product.
    chain_flops.push_back(Error(static_cast<double>(testing::ChainBackwardCost(*flops, masks[i])), executed_flops));
    our_flops.push_back(Error(predicted_flops, executed_flops));
  }
  std::printf("| %s | %.0f ms | %s | %s | %s | %s | %s | %s | %zu / %zu |\n", model.name.c_str(), full_milliseconds,
              MedianAndP90(noise).c_str(), MedianAndP90(ours).c_str(), MedianAndP90(ours_absolute).c_str(),
              MedianAndP90(by_flops).c_str(), MedianAndP90(our_flops).c_str(), MedianAndP90(chain_flops).c_str(),
              time->ops.size(), time->tensors.size());
  std::fflush(stdout);
  return absl::OkStatus();
}

int Run() {
  if (!KeepFreedMemory()) {
    std::fprintf(stderr, "this C library returns freed memory to the system; page faults will add noise\n");
  }
  std::printf(
      "Errors are in percent: median / p90 over %d masks. Noise is the deviation of single full backward passes from "
      "their median.\n\n"
      "| model | full backward | noise | time: ours | time: ours, not adjusted for drift | time: by FLOPs alone | "
      "FLOPs: ours | FLOPs: chain | ops / tensors |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n",
      kMasks);
  for (const Model& model : Models()) {
    if (const absl::Status status = Judge(model); !status.ok()) {
      std::fprintf(stderr, "%s: %s\n", model.name.c_str(), status.ToString().c_str());
      return 1;
    }
  }
  return 0;
}

}  // namespace
}  // namespace greenplan::profiler

int main() { return greenplan::profiler::Run(); }
