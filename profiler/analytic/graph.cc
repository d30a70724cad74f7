#include "profiler/analytic/graph.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace greenplan::profiler {
namespace {

constexpr int64_t kTooMuch = kMaxCost + 1;
constexpr int64_t kBytesPerLogProbability = 4;
constexpr int64_t kBytesPerLabel = 8;
constexpr int64_t kBytesOfWeight = 4;  // The sum of the labels' weights.

void Append(std::vector<Edge>& edges, Edge edge) {
  for (Edge& known : edges) {
    if (known.op == edge.op) {
      known.cost = SaturatingSum(known.cost, edge.cost);
      return;
    }
  }
  edges.push_back(edge);
}

}  // namespace

int64_t SaturatingProduct(std::initializer_list<int64_t> factors) {
  int64_t product = 1;
  for (const int64_t factor : factors) {
    if (__builtin_mul_overflow(product, factor, &product) || product > kMaxCost) product = kTooMuch;
  }
  return product;
}

int64_t SaturatingSum(int64_t a, int64_t b) {
  int64_t sum;
  return __builtin_add_overflow(a, b, &sum) || sum > kMaxCost ? kTooMuch : sum;
}

Parameter Graph::AddParameter(std::string name, std::vector<int64_t> shape) {
  return AddTensor(std::move(name), std::move(shape), options_.lora_rank == 0);
}

Parameter Graph::AddAdapterParameter(std::string name, std::vector<int64_t> shape) {
  return AddTensor(std::move(name), std::move(shape), true);
}

std::string Graph::Renamed(std::string name) const {
  for (const auto& [from, to] : renamed_) {
    if (absl::StartsWith(name, from)) return absl::StrCat(to, name.substr(from.size()));
  }
  return name;
}

Parameter Graph::AddTensor(std::string name, std::vector<int64_t> shape, bool trainable) {
  name = Renamed(std::move(name));
  int node = kNone;
  if (trainable) {
    node = static_cast<int>(nodes_.size());
    nodes_.push_back({.name = name, .tensor = static_cast<int>(tensors_.size())});
  }
  tensors_.push_back({.name = std::move(name), .shape = std::move(shape)});
  return {node};
}

int Graph::AddOp(std::string name, int64_t cost, std::initializer_list<Input> inputs) {
  std::vector<Edge> edges;
  for (const Input& input : inputs) {
    if (input.op != kNone) Append(edges, {.op = input.op, .cost = input.cost});
  }
  if (edges.empty()) return kNone;
  nodes_.push_back({.name = Renamed(std::move(name)), .cost = cost, .edges = std::move(edges), .block = block_});
  return static_cast<int>(nodes_.size()) - 1;
}

Value Graph::NewValue(int op, int64_t rows, int64_t width, int64_t copies) {
  storages_.push_back({.bytes = SaturatingProduct({rows, width, copies, options_.bytes_per_element})});
  return {.op = op, .storage = static_cast<int>(storages_.size()) - 1, .rows = rows, .width = width};
}

void Graph::Keep(int storage, int op) {
  if (storage != kNone && op != kNone) storages_[storage].keepers.push_back(op);
}

void Graph::KeepBytes(int64_t bytes, int op) {
  if (op != kNone) storages_.push_back({.bytes = bytes, .keepers = {op}});
}

void Graph::KeepCrossEntropy(const Value& logits, int64_t labels) {
  KeepBytes(SaturatingProduct({logits.rows, logits.width, kBytesPerLogProbability}), logits.op);
  KeepBytes(SaturatingSum(SaturatingProduct({labels, kBytesPerLabel}), kBytesOfWeight), logits.op);
}

void Graph::OpenBlock(std::string name) {
  block_ = static_cast<int>(blocks_.size());
  blocks_.push_back(Renamed(std::move(name)));
}

void Graph::MarkReached(int loss) {
  nodes_[loss].reached = true;
  for (int n = loss; n >= 0; --n) {
    if (!nodes_[n].reached) continue;
    for (const Edge& edge : nodes_[n].edges) nodes_[edge.op].reached = true;
  }
}

void Graph::CountConsumers() {
  for (Node& node : nodes_) node.consumers = 0;
  for (int n = 0; n < static_cast<int>(nodes_.size()); ++n) {
    if (!nodes_[n].reached) continue;
    for (const Edge& edge : nodes_[n].edges) {
      ++nodes_[edge.op].consumers;
      nodes_[edge.op].consumer = n;
    }
  }
}

// Joins gradients and does nothing else.
bool Graph::FreeJoin(const Node& node) const {
  const auto joins_ops = [this](const Edge& edge) { return nodes_[edge.op].tensor == kNone; };
  return node.tensor == kNone && node.cost == 0 && node.saved_bytes == 0 && !node.keeps_shared &&
         std::all_of(node.edges.begin(), node.edges.end(), joins_ops);
}

// A free join with one consumer in its own block is that consumer.
void Graph::FoldJoins(int loss) {
  for (int n = loss; n >= 0; --n) {
    Node& node = nodes_[n];
    if (!node.reached || n == loss) continue;
    std::vector<Edge> edges;
    std::vector<Edge> waiting(node.edges.rbegin(), node.edges.rend());
    while (!waiting.empty()) {
      const Edge edge = waiting.back();
      waiting.pop_back();
      Node& target = nodes_[edge.op];
      const bool fold = edge.cost == 0 && FreeJoin(target) && target.consumers == 1 && target.block == node.block;
      if (fold) {
        target.reached = false;
        waiting.insert(waiting.end(), target.edges.rbegin(), target.edges.rend());
      } else {
        Append(edges, edge);
      }
    }
    node.edges = std::move(edges);
  }
}

std::vector<Graph::Storage> Graph::BookStorages() {
  std::map<std::vector<int>, int64_t> shared;
  for (Storage& storage : storages_) {
    std::vector<int>& keepers = storage.keepers;
    const auto unreached = [this](int op) { return !nodes_[op].reached; };
    keepers.erase(std::remove_if(keepers.begin(), keepers.end(), unreached), keepers.end());
    std::sort(keepers.begin(), keepers.end());
    keepers.erase(std::unique(keepers.begin(), keepers.end()), keepers.end());
    // A parameter that is trained makes its user live: next to the user it adds nothing.
    const std::vector<int> all = keepers;
    const auto implied = [&](int op) {
      return nodes_[op].tensor != kNone && nodes_[op].consumers == 1 &&
             std::binary_search(all.begin(), all.end(), nodes_[op].consumer);
    };
    keepers.erase(std::remove_if(keepers.begin(), keepers.end(), implied), keepers.end());
    if (keepers.empty()) continue;
    if (keepers.size() == 1) {
      int64_t& saved_bytes = nodes_[keepers[0]].saved_bytes;
      saved_bytes = SaturatingSum(saved_bytes, storage.bytes);
    } else {
      int64_t& bytes = shared[keepers];
      bytes = SaturatingSum(bytes, storage.bytes);
    }
  }
  std::vector<Storage> result;
  result.reserve(shared.size());
  for (const auto& [keepers, bytes] : shared) {
    for (const int op : keepers) nodes_[op].keeps_shared = true;
    result.push_back({.bytes = bytes, .keepers = keepers});
  }
  return result;
}

bool Graph::FoldedIntoUser(const Node& node) const {
  return node.tensor != kNone && node.consumers == 1 && !node.keeps_shared;
}

absl::Status Graph::CheckTotals(const ModelProfile& profile) const {
  int64_t cost = profile.forward_cost;
  int64_t bytes = 0;
  for (const Op& op : profile.ops) {
    cost = SaturatingSum(cost, op.cost);
    for (const Edge& edge : op.inputs) cost = SaturatingSum(cost, edge.cost);
    bytes = SaturatingSum(bytes, op.saved_bytes);
  }
  for (const Tensor& tensor : profile.tensors) {
    cost = SaturatingSum(cost, tensor.weight_grad_cost);
    bytes = SaturatingSum(bytes, tensor.saved_bytes);
  }
  if (cost > kMaxCost || bytes > kMaxCost) {
    return absl::InvalidArgumentError(
        absl::StrCat("this model at batch_size ", options_.batch_size,
                     options_.seq_len ? absl::StrCat(" and seq_len ", *options_.seq_len) : "",
                     " has a step of more than 2^62 ", cost > kMaxCost ? "FLOPs" : "saved bytes"));
  }
  return absl::OkStatus();
}

void Graph::NumberOps(int loss, int first) {
  nodes_[loss].index = 0;
  int next = first;
  for (int n = loss - 1; n >= 0; --n) {
    Node& node = nodes_[n];
    if (!node.reached) continue;
    if (node.tensor != kNone && node.consumers == 1) node.block = nodes_[node.consumer].block;
    if (!FoldedIntoUser(node)) node.index = next++;
  }
}

std::vector<Op> Graph::TakeOps() {
  std::vector<Op> ops;
  for (Node& node : nodes_) {
    if (node.index == kNone) continue;
    if (static_cast<int>(ops.size()) <= node.index) ops.resize(node.index + 1);
    Op& op = ops[node.index];
    op.name = std::move(node.name);
    op.cost = node.cost;
    op.block = node.block;
    if (node.tensor == kNone) op.saved_bytes = node.saved_bytes;
    for (const Edge& edge : node.edges) {
      const Node& target = nodes_[edge.op];
      if (target.index != kNone) {
        op.inputs.push_back({.op = target.index, .cost = edge.cost});
      } else {  // A parameter that is folded into this op.
        tensors_[target.tensor].op = node.index;
        tensors_[target.tensor].weight_grad_cost = edge.cost;
      }
    }
  }
  return ops;
}

std::vector<Tensor> Graph::TakeTensors() {
  for (const Node& node : nodes_) {
    if (node.tensor == kNone || !node.reached) continue;
    if (node.index != kNone) tensors_[node.tensor].op = node.index;
    tensors_[node.tensor].saved_bytes = node.saved_bytes;
  }
  return std::move(tensors_);
}

void Graph::EmitShared(const std::vector<Storage>& shared, std::vector<Op>& ops) const {
  for (size_t s = 0; s < shared.size(); ++s) {
    const int index = static_cast<int>(s) + 1;
    Op& op = ops[index];
    op.name = "saved";
    op.saved_bytes = shared[s].bytes;
    op.block = nodes_[shared[s].keepers[0]].block;
    for (const int keeper : shared[s].keepers) {
      op.inputs.push_back({.op = nodes_[keeper].index});
      if (nodes_[keeper].block != op.block) op.block = kNone;
    }
    ops[0].inputs.push_back({.op = index});
  }
}

absl::StatusOr<ModelProfile> Graph::Finish(const Value& output, Loss kind) {
  if (output.op == kNone) return absl::InvalidArgumentError("no trainable tensor reaches the loss");
  CloseBlock();
  const int loss = AddOp("loss", 0, {{output.op, 0}});
  const Value logits = {.op = loss, .storage = kNone, .rows = output.rows, .width = output.width};
  if (kind == Loss::kCrossEntropy) KeepCrossEntropy(logits, output.rows);
  if (kind == Loss::kSpans) KeepCrossEntropy(logits, SaturatingProduct({2, options_.batch_size}));
  MarkReached(loss);
  CountConsumers();
  const std::vector<Storage> shared = BookStorages();
  FoldJoins(loss);
  CountConsumers();

  ModelProfile profile;
  profile.forward_cost = forward_cost_;
  profile.blocks = std::move(blocks_);
  NumberOps(loss, /*first=*/1 + static_cast<int>(shared.size()));  // What is shared comes right behind the loss.
  profile.ops = TakeOps();
  profile.tensors = TakeTensors();
  EmitShared(shared, profile.ops);
  if (absl::Status status = CheckTotals(profile); !status.ok()) return status;
  return profile;
}

}  // namespace greenplan::profiler
