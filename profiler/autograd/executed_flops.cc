#include "profiler/autograd/executed_flops.h"

#include <atomic>
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

// The innermost backward node that this thread runs, as RecordFunction names it.
thread_local std::string_view current_node;

thread_local int64_t forward_flops_of_thread = 0;

std::atomic<int64_t> total_forward_flops{0};
std::atomic<int64_t> total_backward_flops{0};

// FLOPs of all counters so far by the name of the node.
class NodeTotals {
 public:
  using Map = std::map<std::string, int64_t, std::less<>>;

  void Add(std::string_view node, int64_t flops) {
    // The engine's own scope has the node's name behind a prefix.
    if (const size_t colon = node.rfind(": "); colon != node.npos) node.remove_prefix(colon + 2);
    const std::lock_guard lock(mutex_);
    auto entry = totals_.find(node);
    if (entry == totals_.end()) entry = totals_.emplace(std::string(node), 0).first;
    entry->second += flops;
  }

  Map Get() {
    const std::lock_guard lock(mutex_);
    return totals_;
  }

 private:
  std::mutex mutex_;
  Map totals_;
};

NodeTotals& TheNodeTotals() {
  static auto& totals = *new NodeTotals();
  return totals;
}

struct Scope : at::ObserverContext {
  explicit Scope(int& depth) : depth(depth) { ++depth; }
  ~Scope() override { --depth; }
  int& depth;  // Of the thread that runs the scope.
};

struct NodeScope : Scope {
  explicit NodeScope(std::string_view node) : Scope(backward_depth), outer(std::exchange(current_node, node)) {}
  ~NodeScope() override { current_node = outer; }
  const std::string_view outer;
};

std::unique_ptr<at::ObserverContext> OnStart(const at::RecordFunction& function) {
  if (function.scope() == at::RecordScope::BACKWARD_FUNCTION) return std::make_unique<NodeScope>(function.name());
  const Formula formula = FindFormula(function.name());
  if (formula == nullptr) return nullptr;
  if (counted_depth == 0) {
    const int64_t flops = formula(function.inputs());
    (backward_depth > 0 ? total_backward_flops : total_forward_flops) += flops;
    if (backward_depth == 0) forward_flops_of_thread += flops;
    if (backward_depth > 0) TheNodeTotals().Add(current_node, flops);
  }
  return std::make_unique<Scope>(counted_depth);
}

// The one callback of the process. It is enabled while any counter exists. It only adds to the totals, and a counter is
// the difference between two readings of them.
class Callback {
 public:
  void Acquire() {
    const std::lock_guard lock(mutex_);
    if (++counters_ > 1) return;
    if (handle_ == at::INVALID_CALLBACK_HANDLE) {
      handle_ = at::addGlobalCallback(at::RecordFunctionCallback(OnStart).needsInputs(true).scopes(
          {at::RecordScope::FUNCTION, at::RecordScope::BACKWARD_FUNCTION}));
    } else {
      at::reenableCallback(handle_);
    }
  }

  void Release() {
    const std::lock_guard lock(mutex_);
    if (--counters_ == 0) at::disableCallback(handle_);
  }

 private:
  std::mutex mutex_;
  int counters_ = 0;
  at::CallbackHandle handle_ = at::INVALID_CALLBACK_HANDLE;
};

Callback& TheCallback() {
  static auto& callback = *new Callback();
  return callback;
}

}  // namespace

class ExecutedFlopsCounter::Impl {
 public:
  Impl()
      : forward_before_(total_forward_flops),
        forward_of_thread_before_(forward_flops_of_thread),
        backward_before_(total_backward_flops),
        nodes_before_(TheNodeTotals().Get()) {
    TheCallback().Acquire();
  }
  ~Impl() { TheCallback().Release(); }

  int64_t forward_flops() const { return total_forward_flops - forward_before_; }
  int64_t backward_flops() const { return total_backward_flops - backward_before_; }
  int64_t forward_flops_of_this_thread() const { return forward_flops_of_thread - forward_of_thread_before_; }
  std::map<std::string, int64_t> backward_flops_by_node() const {
    std::map<std::string, int64_t> flops;
    for (const auto& [node, total] : TheNodeTotals().Get()) {
      const auto before = nodes_before_.find(node);
      const int64_t added = total - (before == nodes_before_.end() ? 0 : before->second);
      if (added != 0) flops[node] = added;
    }
    return flops;
  }

 private:
  const int64_t forward_before_;
  const int64_t forward_of_thread_before_;
  const int64_t backward_before_;
  const NodeTotals::Map nodes_before_;
};

ExecutedFlopsCounter::ExecutedFlopsCounter() : impl_(std::make_unique<Impl>()) {}
ExecutedFlopsCounter::~ExecutedFlopsCounter() = default;
int64_t ExecutedFlopsCounter::forward_flops() const { return impl_->forward_flops(); }
int64_t ExecutedFlopsCounter::backward_flops() const { return impl_->backward_flops(); }
int64_t ExecutedFlopsCounter::forward_flops_of_this_thread() const { return impl_->forward_flops_of_this_thread(); }
std::map<std::string, int64_t> ExecutedFlopsCounter::backward_flops_by_node() const {
  return impl_->backward_flops_by_node();
}

}  // namespace greenplan::profiler
