#include "planner/core/testing/random_profiles.h"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

namespace greenplan {
namespace {

// Draws costs and keeps ops in topological order: ops are made from the loss on.
class ProfileMaker {
 public:
  ProfileMaker(const RandomProfileOptions& options, TestRandom& random) : options_(options), random_(random) {}

  int AddOp(const std::vector<int>& parents) {
    const int op = static_cast<int>(profile_.ops.size());
    Op added;
    added.name = "op" + std::to_string(op);
    added.cost = Cost();
    added.block = block_;
    added.saved_bytes = Cost();
    profile_.ops.push_back(std::move(added));
    for (int parent : parents) profile_.ops[parent].inputs.push_back({op, Cost()});
    return op;
  }

  void AddTensor(int op) {
    const int64_t elements = 1 + random_.Below(1000);
    tensors_.push_back({.name = "", .shape = {elements}, .op = op, .weight_grad_cost = Cost(), .saved_bytes = Cost()});
  }

  // A linear layer below `parents`: a bias, maybe, and the weight on an op of its own, maybe.
  int AddLinear(const std::vector<int>& parents) {
    const int op = AddOp(parents);
    if (has_bias_) AddTensor(op);
    if (!splits_weights_) {
      AddTensor(op);
      return op;
    }
    AddTensor(AddOp({op}));
    return op;
  }

  void StartBlock() {
    if (!options_.with_blocks) return;
    block_ = static_cast<int>(profile_.blocks.size());
    profile_.blocks.push_back("block" + std::to_string(block_));
  }
  void EndBlock() { block_ = kNone; }

  // The stream after a residual branch: reached over the branch and past it.
  int AddBranchEnd(int stream, const std::vector<int>& ends) {
    EndBlock();
    std::vector<int> parents{stream};
    parents.insert(parents.end(), ends.begin(), ends.end());
    return AddOp(parents);
  }

  int AddSelfAttention(int stream, std::vector<int>* scores) {
    StartBlock();
    const int out = AddLinear({stream});
    const int core = AddOp({out});
    if (scores != nullptr) scores->push_back(core);
    const int q = AddLinear({core}), k = AddLinear({core}), v = AddLinear({core});
    const int norm = AddOp({q, k, v});
    AddTensor(norm);
    return AddBranchEnd(stream, {norm});
  }

  int AddFeedForward(int stream) {
    StartBlock();
    const int down = AddLinear({stream});
    const int up = AddLinear({down});
    const int norm = AddOp(random_.Chance(0.5) ? std::vector<int>{up} : std::vector<int>{up, AddLinear({down})});
    AddTensor(norm);
    return AddBranchEnd(stream, {norm});
  }

  int AddExperts(int stream) {
    StartBlock();
    const int mix = AddOp({stream});
    std::vector<int> ends{AddLinear({mix})};  // The router.
    const int experts = 2 + random_.Below(2);
    for (int e = 0; e < experts; ++e) ends.push_back(AddLinear({AddLinear({mix})}));
    const int norm = AddOp(ends);
    AddTensor(norm);
    return AddBranchEnd(stream, {norm});
  }

  int AddCrossAttention(int stream, std::vector<int>& into_encoder) {
    StartBlock();
    const int out = AddLinear({stream});
    const int core = AddOp({out});
    into_encoder.push_back(AddLinear({core}));
    into_encoder.push_back(AddLinear({core}));
    const int norm = AddOp({AddLinear({core})});
    AddTensor(norm);
    return AddBranchEnd(stream, {norm});
  }

  void MakeModel(GraphShape shape) {
    has_bias_ = random_.Chance(0.5);
    splits_weights_ = random_.Chance(0.5);
    const bool tied = random_.Chance(0.5);
    const bool shared_bias = random_.Chance(0.5);
    const int head = tied ? AddOp({AddOp({})}) : AddLinear({AddOp({})});
    int stream = AddOp({head});
    AddTensor(stream);
    std::vector<int> uses;
    if (tied) uses.push_back(head);
    std::vector<int> into_encoder, scores;
    for (int layer = 0; layer < options_.size; ++layer) {
      stream = shape == GraphShape::kMixtureOfExperts ? AddExperts(stream) : AddFeedForward(stream);
      if (shape == GraphShape::kEncoderDecoder) stream = AddCrossAttention(stream, into_encoder);
      stream = AddSelfAttention(stream, &scores);
    }
    if (shared_bias) AddTensor(AddOp(scores));
    uses.push_back(stream);
    if (shape == GraphShape::kEncoderDecoder) {
      int encoder = AddOp(into_encoder);
      for (int layer = 0; layer < options_.size; ++layer) {
        encoder = AddFeedForward(encoder);
        encoder = AddSelfAttention(encoder, nullptr);
      }
      uses.push_back(encoder);
    }
    AddTensor(AddOp(uses));
    if (!tied) AddTensor(stream);
  }

  void MakeAbstract(GraphShape shape) {
    AddOp({});
    for (int op = 1; op < options_.size; ++op) {
      if (options_.with_blocks && random_.Chance(0.3)) {
        random_.Chance(0.3) ? EndBlock() : StartBlock();
      }
      std::vector<int> parents;
      switch (shape) {
        case GraphShape::kChain:
          parents = {op - 1};
          break;
        case GraphShape::kTree:
          parents = {random_.Below(op)};
          break;
        default:
          for (int i = 0; i < 1 + random_.Below(3); ++i) {
            const int from = random_.Chance(0.7) ? std::max(0, op - 4) : 0;
            parents.push_back(from + random_.Below(op - from));
          }
      }
      AddOp(parents);
    }
    for (int op = 0; op < options_.size; ++op) {
      for (int i = random_.Below(3); i > 0; --i) AddTensor(op);
    }
    if (tensors_.empty()) AddTensor(options_.size - 1);
  }

  ModelProfile Finish() {
    while (static_cast<int>(tensors_.size()) > options_.max_tensors) {
      tensors_.erase(tensors_.begin() + random_.Below(static_cast<int>(tensors_.size())));
    }
    // Forward order is the reverse, and indices must not line up with ops.
    std::reverse(tensors_.begin(), tensors_.end());
    for (size_t k = 0; k < tensors_.size(); ++k) tensors_[k].name = "tensor" + std::to_string(k);
    profile_.tensors = std::move(tensors_);
    profile_.forward_cost = Cost();
    return std::move(profile_);
  }

 private:
  int64_t Cost() { return random_.Chance(options_.free_share) ? 0 : random_.Cost(options_.max_cost); }

  const RandomProfileOptions& options_;
  TestRandom& random_;
  ModelProfile profile_;
  std::vector<Tensor> tensors_;
  int block_ = kNone;
  bool has_bias_ = false;
  bool splits_weights_ = false;
};

}  // namespace

double TestRandom::Normal() {
  double sum = -6;
  for (int i = 0; i < 12; ++i) sum += Unit();
  return sum;
}

ModelProfile RandomProfile(const RandomProfileOptions& options, TestRandom& random) {
  ProfileMaker maker(options, random);
  switch (options.shape) {
    case GraphShape::kChain:
    case GraphShape::kTree:
    case GraphShape::kDag:
      maker.MakeAbstract(options.shape);
      break;
    default:
      maker.MakeModel(options.shape);
  }
  return maker.Finish();
}

std::vector<double> RandomImportance(const ModelProfile& profile, ImportanceKind kind, TestRandom& random) {
  std::vector<double> importance(profile.tensors.size());
  for (size_t k = 0; k < importance.size(); ++k) {
    const Tensor& tensor = profile.tensors[k];
    const auto cost = static_cast<double>(tensor.weight_grad_cost);
    switch (kind) {
      case ImportanceKind::kHeavyTailed:
        importance[k] = std::exp(2 * random.Normal()) * (random.Chance(0.1) ? -1 : 1);
        break;
      case ImportanceKind::kWholeNumbers:
        importance[k] = random.Below(6) - 1;
        break;
      case ImportanceKind::kDecaying:
        importance[k] =
            std::exp(-3.0 * static_cast<double>(k) / static_cast<double>(importance.size())) * (0.5 + random.Unit());
        break;
      case ImportanceKind::kSizeCorrelated:
        importance[k] = std::sqrt(static_cast<double>(tensor.shape[0])) * (0.5 + random.Unit());
        break;
      case ImportanceKind::kCostProportional:
        importance[k] = cost + 1;
        break;
      case ImportanceKind::kNearUniform:
        importance[k] = 1 + 1e-3 * random.Unit();
        break;
    }
  }
  return importance;
}

}  // namespace greenplan
