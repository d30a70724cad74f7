#ifndef GREENPLAN_PROFILER_ANALYTIC_GRAPH_H_
#define GREENPLAN_PROFILER_ANALYTIC_GRAPH_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/core/model_profile.h"
#include "profiler/analytic/analytic.h"

namespace greenplan::profiler {

// Costs saturate just above 2^62, so that a total that is too large is seen however large its parts were.
inline constexpr int64_t kMaxCost = int64_t{1} << 62;
// Return the product or sum, or a number above kMaxCost if it exceeds kMaxCost.
int64_t SaturatingProduct(std::initializer_list<int64_t> factors);  // REQUIRES: factors >= 0.
int64_t SaturatingSum(int64_t a, int64_t b);                        // REQUIRES: a, b >= 0.

// A tensor of the forward pass, [rows, width]. A row is one token, pixel or prediction.
struct Value {
  int op = kNone;       // Receives its gradient; kNone: it needs none.
  int storage = kNone;  // Two values may share one, such as the queries and keys cut from one product.
  int64_t rows = 0;
  int64_t width = 0;
};

// A tensor of the model, as the graph knows it.
struct Parameter {
  int op = kNone;  // Receives its gradient; kNone: it is frozen.
};

// What the loss is computed by.
enum class Loss {
  kCrossEntropy,  // Keeps the log-softmax of the logits in float32, and a label per row.
  kSpans,         // The same with two labels per sequence: where an answer starts and where it ends.
  kSum,           // Of a model without a head: whatever follows it, at no cost.
};

// Records a forward pass the way autograd does, and turns the record into a ModelProfile. Layers (layers.h) write into
// it; a family (families/) calls layers.
//
// An op is a backward op that does matrix work, joins gradients or owns parameters; everything else (activations,
// views, masks, rotations) passes the gradient on at no cost and is no op at all. A parameter is an op of its own until
// Finish() folds it into its only user. What forward leaves in memory is stated with Keep(), in autograd's terms: this
// storage is kept if that op receives a gradient.
class Graph {
 public:
  // An edge of an op: where a gradient goes, and what producing it costs in FLOPs.
  struct Input {
    int op = kNone;    // Ignored if kNone.
    int64_t cost = 0;  // Of producing the gradient that goes there.
  };

  // `options` are copied.
  explicit Graph(const AnalyticOptions& options) : options_(options) {}
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // The sizes of the step, and how the model is run.
  const AnalyticOptions& options() const { return options_; }

  // From now on, names that start with `from` start with `to` instead, for a model that is called otherwise within
  // another one. If several prefixes fit a name, the one given first counts.
  void RenamePrefix(std::string from, std::string to) { renamed_.emplace_back(std::move(from), std::move(to)); }

  // Adds a tensor of the model. Call it in the order of named_parameters(). If the options ask for adapters, the tensor
  // is frozen.
  Parameter AddParameter(std::string name, std::vector<int64_t> shape);
  // Adds a tensor of an adapter, which is never frozen.
  Parameter AddAdapterParameter(std::string name, std::vector<int64_t> shape);

  // Adds an op that pays `cost` once and passes gradients to `inputs`, in the block that is open. Returns its index, or
  // kNone, without adding an op, if none of the inputs needs a gradient.
  int AddOp(std::string name, int64_t cost, std::initializer_list<Input> inputs);
  // Adds to the cost of the forward pass.
  void AddForwardCost(int64_t cost) { forward_cost_ = SaturatingSum(forward_cost_, cost); }

  // Returns a value whose gradient goes to `op` and that has memory of its own: `copies` times rows * width elements.
  Value NewValue(int op, int64_t rows, int64_t width, int64_t copies = 1);
  // Says that the storage lives until backward if `op` receives a gradient. Does nothing if either is kNone.
  void Keep(int storage, int op);
  // Says that `bytes` of memory that no value shares live until backward if `op` receives a gradient.
  void KeepBytes(int64_t bytes, int op);

  // Says what cross-entropy keeps of `logits`, with that many labels.
  void KeepCrossEntropy(const Value& logits, int64_t labels);

  // Puts everything that is added until CloseBlock() into the residual block `name`. Blocks do not nest.
  void OpenBlock(std::string name);
  // Ends the block that is open.
  void CloseBlock() { block_ = kNone; }

  // Returns the profile of a step whose loss is computed from `output`. Call it once, at the end. InvalidArgument if
  // costs or bytes exceed 2^62, or if nothing that is trained reaches the loss.
  absl::StatusOr<ModelProfile> Finish(const Value& output, Loss loss = Loss::kCrossEntropy);

 private:
  struct Node {
    std::string name;
    int64_t cost = 0;
    std::vector<Edge> edges = {};  // To nodes of lower index.
    int block = kNone;
    int64_t saved_bytes = 0;
    int tensor = kNone;         // Index into tensors_: the node is a parameter.
    bool reached = false;       // From the loss.
    bool keeps_shared = false;  // Named by a storage that several ops keep.
    int consumers = 0;          // Edges from reached nodes.
    int consumer = kNone;       // The last of them.
    int index = kNone;          // In the profile's ops; kNone: folded into another op.
  };
  struct Storage {
    int64_t bytes = 0;
    std::vector<int> keepers = {};
  };

  std::string Renamed(std::string name) const;
  Parameter AddTensor(std::string name, std::vector<int64_t> shape, bool trainable);
  void MarkReached(int loss);
  void CountConsumers();
  bool FreeJoin(const Node& node) const;
  void FoldJoins(int loss);
  // Books storages that one op keeps on that op; returns the others with their keepers sorted, one per set of keepers.
  std::vector<Storage> BookStorages();
  bool FoldedIntoUser(const Node& node) const;
  // Gives every node that becomes an op its index, counting up from `first` against the forward order.
  void NumberOps(int loss, int first);
  std::vector<Op> TakeOps();          // Also says what hangs on them in tensors_.
  std::vector<Tensor> TakeTensors();  // After TakeOps().
  void EmitShared(const std::vector<Storage>& shared, std::vector<Op>& ops) const;
  absl::Status CheckTotals(const ModelProfile& profile) const;

  AnalyticOptions options_;
  std::vector<std::pair<std::string, std::string>> renamed_;
  std::vector<Node> nodes_;  // In forward order.
  std::vector<Storage> storages_;
  std::vector<Tensor> tensors_;
  std::vector<std::string> blocks_;
  int block_ = kNone;
  int64_t forward_cost_ = 0;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_GRAPH_H_
