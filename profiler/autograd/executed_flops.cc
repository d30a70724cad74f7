#include "profiler/autograd/executed_flops.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "ATen/record_function.h"

namespace greenplan::profiler {
namespace {

using Arguments = c10::ArrayRef<const c10::IValue>;

int64_t Size(const c10::IValue& argument, int64_t dimension) { return argument.toTensor().size(dimension); }

// The operands are a [.., m, k] and b [.., k, n].
int64_t MatrixProduct(const c10::IValue& a, const c10::IValue& b) { return 2 * a.toTensor().numel() * Size(b, -1); }

int64_t MatrixVectorProduct(const c10::IValue& matrix) { return 2 * matrix.toTensor().numel(); }

// The two products of attention. Query, key and value are [batch, heads, length, depth]; the depth of the value may
// differ from that of query and key.
int64_t ScoreProduct(const c10::IValue& query, const c10::IValue& key) {
  return 2 * query.toTensor().numel() * Size(key, 2);
}
int64_t ValueProduct(const c10::IValue& query, const c10::IValue& value) {
  return 2 * Size(query, 0) * Size(query, 1) * Size(query, 2) * Size(value, 2) * Size(value, 3);
}

int64_t Attention(Arguments a) { return ScoreProduct(a[0], a[1]) + ValueProduct(a[0], a[2]); }

// Arguments: (grad_out, query, key, value, ..). The scores, dQ and dK are products over the depth of the query; dP and
// dV are products over the depth of the value.
int64_t AttentionBackward(Arguments a) { return 3 * ScoreProduct(a[1], a[2]) + 2 * ValueProduct(a[1], a[3]); }

// Each position meets each element of the filter once. The positions are those of the output or, in a transposed
// convolution, those of the input.
int64_t ConvolutionProduct(const at::Tensor& positions, const at::Tensor& weight) {
  const int64_t spatial_dimensions = weight.dim() - 2;
  int64_t count = positions.dim() > weight.dim() - 1 ? positions.size(0) : 1;
  for (int64_t d = positions.dim() - spatial_dimensions; d < positions.dim(); ++d) count *= positions.size(d);
  return 2 * count * weight.numel();
}

// Arguments: (input, weight, bias, stride, padding, dilation, transposed, output_padding, groups). The output does not
// exist yet when the callback runs, so its shape is computed here.
int64_t Convolution(Arguments a) {
  const at::Tensor& input = a[0].toTensor();
  const at::Tensor& weight = a[1].toTensor();
  if (a[6].toBool()) return ConvolutionProduct(input, weight);
  const std::vector<int64_t> stride = a[3].toIntVector();
  const std::vector<int64_t> padding = a[4].toIntVector();
  const std::vector<int64_t> dilation = a[5].toIntVector();
  const auto at_dimension = [](const std::vector<int64_t>& v, int64_t d) { return v.size() == 1 ? v[0] : v[d]; };
  const int64_t spatial_dimensions = weight.dim() - 2;
  int64_t count = input.dim() == weight.dim() ? input.size(0) : 1;
  for (int64_t d = 0; d < spatial_dimensions; ++d) {
    const int64_t extent = at_dimension(dilation, d) * (weight.size(d + 2) - 1) + 1;
    const int64_t padded = input.size(input.dim() - spatial_dimensions + d) + 2 * at_dimension(padding, d);
    count *= (padded - extent) / at_dimension(stride, d) + 1;
  }
  return 2 * count * weight.numel();
}

// Arguments: (grad_output, input, weight, bias_sizes, stride, padding, dilation, transposed, output_padding, groups,
// output_mask).
int64_t ConvolutionBackward(Arguments a) {
  const at::Tensor& positions = (a[7].toBool() ? a[1] : a[0]).toTensor();
  const c10::List<bool> wanted = a[10].toBoolList();
  return (wanted.get(0) + wanted.get(1)) * ConvolutionProduct(positions, a[2].toTensor());
}

// Arguments: (a, b, offsets). The shapes are [m, k] x [g, k, n], [g, m, k] x [k, n], [m, k] x [k, n] with the groups
// along k, or [g, m, k] x [g, k, n].
int64_t GroupedProduct(Arguments a) {
  const at::Tensor& left = a[0].toTensor();
  const at::Tensor& right = a[1].toTensor();
  if (left.dim() == 3 && right.dim() == 2) return 2 * left.size(1) * left.size(2) * right.size(1);
  return MatrixProduct(a[0], a[1]);
}

using Formula = int64_t (*)(Arguments);

const std::unordered_map<std::string_view, Formula>& Formulas() {
  static const auto& formulas = *new std::unordered_map<std::string_view, Formula>{
      {"aten::mm", [](Arguments a) { return MatrixProduct(a[0], a[1]); }},
      {"aten::bmm", [](Arguments a) { return MatrixProduct(a[0], a[1]); }},
      {"aten::addmm", [](Arguments a) { return MatrixProduct(a[1], a[2]); }},
      {"aten::_addmm_activation", [](Arguments a) { return MatrixProduct(a[1], a[2]); }},
      {"aten::addbmm", [](Arguments a) { return MatrixProduct(a[1], a[2]); }},
      {"aten::baddbmm", [](Arguments a) { return MatrixProduct(a[1], a[2]); }},
      {"aten::mv", [](Arguments a) { return MatrixVectorProduct(a[0]); }},
      {"aten::addmv", [](Arguments a) { return MatrixVectorProduct(a[1]); }},
      {"aten::dot", [](Arguments a) { return MatrixVectorProduct(a[0]); }},
      {"aten::vdot", [](Arguments a) { return MatrixVectorProduct(a[0]); }},
      {"aten::_grouped_mm", GroupedProduct},
      {"aten::convolution", Convolution},
      {"aten::convolution_backward", ConvolutionBackward},
      {"aten::_scaled_dot_product_flash_attention_for_cpu", Attention},
      {"aten::_scaled_dot_product_flash_attention", Attention},
      {"aten::_scaled_dot_product_efficient_attention", Attention},
      {"aten::_scaled_dot_product_cudnn_attention", Attention},
      {"aten::_scaled_dot_product_flash_attention_for_cpu_backward", AttentionBackward},
      {"aten::_scaled_dot_product_flash_attention_backward", AttentionBackward},
      {"aten::_scaled_dot_product_efficient_attention_backward", AttentionBackward},
      {"aten::_scaled_dot_product_cudnn_attention_backward", AttentionBackward},
  };
  return formulas;
}

// Returns the formula of an operator, or null. The name of an in-place variant ends in an underscore; overloads and out
// variants have the same name.
Formula FindFormula(std::string_view name) {
  if (name.ends_with('_')) name.remove_suffix(1);
  const auto found = Formulas().find(name);
  return found == Formulas().end() ? nullptr : found->second;
}

// How deep this thread is inside backward nodes, and inside operators that are already counted. The operators that a
// counted operator calls do its own work and are not counted again.
thread_local int backward_depth = 0;
thread_local int counted_depth = 0;

// The innermost backward node that this thread runs, as RecordFunction names it, and the thread whose forward pass made
// the outermost one: 0 if the engine has not said so yet. What a checkpoint runs within a node belongs to that thread,
// too.
thread_local std::string_view current_node;
thread_local uint64_t thread_of_graph = 0;

// FLOPs that belong to one thread.
struct Totals {
  int64_t forward = 0;
  int64_t backward = 0;
  std::map<std::string, int64_t, std::less<>> backward_by_node;

  void AddBackward(std::string_view node, int64_t flops) {
    // The engine's own scope has the node's name behind a prefix.
    if (const size_t colon = node.rfind(": "); colon != node.npos) node.remove_prefix(colon + 2);
    auto entry = backward_by_node.find(node);
    if (entry == backward_by_node.end()) entry = backward_by_node.emplace(std::string(node), 0).first;
    entry->second += flops;
    backward += flops;
  }
};

std::unique_ptr<at::ObserverContext> OnStart(const at::RecordFunction& function);

// The threads that have counters, and the one callback of the process, which is enabled while there are any. It only
// adds to a thread's totals, and a counter is the difference between two readings of them.
class CountedThreads {
 public:
  // Begins and ends the life of a counter of this thread.
  void Acquire(uint64_t thread) {
    const std::lock_guard lock(mutex_);
    ++threads_[thread].counters;
    if (++counters_ > 1) return;
    if (handle_ == at::INVALID_CALLBACK_HANDLE) {
      handle_ = at::addGlobalCallback(at::RecordFunctionCallback(OnStart).needsInputs(true).scopes(
          {at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
    } else {
      at::reenableCallback(handle_);
    }
  }
  void Release(uint64_t thread) {
    const std::lock_guard lock(mutex_);
    if (--threads_[thread].counters == 0) threads_.erase(thread);
    if (--counters_ == 0) at::disableCallback(handle_);
  }

  void AddForward(uint64_t thread, int64_t flops) {
    const std::lock_guard lock(mutex_);
    if (const auto found = threads_.find(thread); found != threads_.end()) found->second.totals.forward += flops;
  }
  void AddBackward(uint64_t thread, std::string_view node, int64_t flops) {
    const std::lock_guard lock(mutex_);
    if (const auto found = threads_.find(thread); found != threads_.end())
      found->second.totals.AddBackward(node, flops);
  }

  // Returns the totals of a thread that has a counter.
  Totals Of(uint64_t thread) {
    const std::lock_guard lock(mutex_);
    return threads_.at(thread).totals;
  }

 private:
  struct Thread {
    int counters = 0;
    Totals totals;
  };

  std::mutex mutex_;
  std::unordered_map<uint64_t, Thread> threads_;
  int counters_ = 0;
  at::CallbackHandle handle_ = at::INVALID_CALLBACK_HANDLE;
};

CountedThreads& TheCountedThreads() {
  static auto& threads = *new CountedThreads();
  return threads;
}

struct Scope : at::ObserverContext {
  explicit Scope(int& depth) : depth(depth) { ++depth; }
  ~Scope() override { --depth; }
  int& depth;  // Of the thread that runs the scope.
};

struct NodeScope : Scope {
  NodeScope(std::string_view node, uint64_t thread)
      : Scope(backward_depth),
        outer_node(std::exchange(current_node, node)),
        outer_thread(std::exchange(thread_of_graph, thread_of_graph == 0 ? thread : thread_of_graph)) {}
  ~NodeScope() override {
    current_node = outer_node;
    thread_of_graph = outer_thread;
  }
  const std::string_view outer_node;
  const uint64_t outer_thread;
};

std::unique_ptr<at::ObserverContext> OnStart(const at::RecordFunction& function) {
  if (function.scope() == at::RecordScope::BACKWARD_FUNCTION) {
    return std::make_unique<NodeScope>(function.name(), function.forwardThreadId());
  }
  const Formula formula = FindFormula(function.name());
  if (formula == nullptr) return nullptr;
  if (counted_depth == 0) {
    const int64_t flops = formula(function.inputs());
    const uint64_t thread = thread_of_graph != 0 ? thread_of_graph : at::RecordFunction::currentThreadId();
    if (backward_depth == 0) {
      TheCountedThreads().AddForward(thread, flops);
    } else {
      TheCountedThreads().AddBackward(thread, current_node, flops);
    }
  }
  return std::make_unique<Scope>(counted_depth);
}

}  // namespace

class ExecutedFlopsCounter::Impl {
 public:
  Impl() {
    TheCountedThreads().Acquire(thread_);
    before_ = TheCountedThreads().Of(thread_);
  }
  ~Impl() { TheCountedThreads().Release(thread_); }

  int64_t forward_flops() const { return TheCountedThreads().Of(thread_).forward - before_.forward; }
  int64_t backward_flops() const { return TheCountedThreads().Of(thread_).backward - before_.backward; }
  std::map<std::string, int64_t> backward_flops_by_node() const {
    std::map<std::string, int64_t> flops;
    for (const auto& [node, total] : TheCountedThreads().Of(thread_).backward_by_node) {
      const auto before = before_.backward_by_node.find(node);
      const int64_t added = total - (before == before_.backward_by_node.end() ? 0 : before->second);
      if (added != 0) flops[node] = added;
    }
    return flops;
  }

 private:
  const uint64_t thread_ = at::RecordFunction::currentThreadId();
  Totals before_;
};

ExecutedFlopsCounter::ExecutedFlopsCounter() : impl_(std::make_unique<Impl>()) {}
ExecutedFlopsCounter::~ExecutedFlopsCounter() = default;
int64_t ExecutedFlopsCounter::forward_flops() const { return impl_->forward_flops(); }
int64_t ExecutedFlopsCounter::backward_flops() const { return impl_->backward_flops(); }
std::map<std::string, int64_t> ExecutedFlopsCounter::backward_flops_by_node() const {
  return impl_->backward_flops_by_node();
}

}  // namespace greenplan::profiler
