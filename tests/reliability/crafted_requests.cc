#include "tests/reliability/crafted_requests.h"

#include <cmath>
#include <cstdint>
#include <functional>
#include <random>

#include "absl/strings/str_cat.h"

namespace greenplan {
namespace {

using absl::StatusCode;
using Cost = std::function<int64_t(int)>;

constexpr absl::Duration kTimeLimit = absl::Milliseconds(100);

v1::Op* AddOp(v1::ModelProfile& profile, int64_t cost) {
  v1::Op* op = profile.add_ops();
  op->set_cost(cost);
  return op;
}

v1::Edge* AddEdge(v1::Op* op, int target, int64_t cost = 0) {
  v1::Edge* edge = op->add_inputs();
  edge->set_op(target);
  edge->set_cost(cost);
  return edge;
}

void AddTensor(v1::SolveRequest& request, int op, int64_t cost, double importance) {
  v1::Tensor* tensor = request.mutable_profile()->add_tensors();
  tensor->set_name(absl::StrCat("t", request.profile().tensors_size()));
  tensor->add_shape(1);
  tensor->set_op(op);
  tensor->set_weight_grad_cost(cost);
  request.mutable_importance()->add_importance(importance);
}

v1::SolveRequest NewRequest(v1::Method method) {
  v1::SolveRequest request;
  request.mutable_profile()->set_cost_unit(v1::COST_UNIT_FLOPS);
  request.mutable_profile()->set_forward_cost(100);
  request.mutable_options()->set_method(method);
  request.mutable_options()->mutable_budget()->set_fraction_of_backward(0.5);
  return request;
}

void SetTimeLimit(v1::SolveRequest& request, absl::Duration limit) {
  request.mutable_options()->mutable_time_limit()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(limit)));
}

// Adds a chain of `length` ops, numbered from `first`, with a tensor on every `step`-th.
void AddChain(v1::SolveRequest& request, int first, int length, int step, const Cost& op_cost,
              const Cost& tensor_cost) {
  for (int i = 0; i < length; ++i) {
    v1::Op* op = AddOp(*request.mutable_profile(), op_cost(i));
    if (i + 1 < length) AddEdge(op, first + i + 1);
  }
  for (int i = length - 1; i >= 0; --i) {
    if (i % step == 0) AddTensor(request, first + i, tensor_cost(i), 1 + 0.001 * (i % 977));
  }
}

// An op that reaches no tensor, with costs that overflow when they are added to the others'.
v1::SolveRequest DeadEnd(int64_t cost) {
  v1::SolveRequest request = NewRequest(v1::METHOD_SELECTION);
  v1::Op* loss = AddOp(*request.mutable_profile(), 0);
  for (int i = 0; i < 4; ++i) AddEdge(loss, 1, cost / 2);
  AddEdge(loss, 2);
  AddOp(*request.mutable_profile(), cost);
  AddChain(
      request, 2, 1500, 1, [](int) { return 10; }, [](int) { return 10; });
  return request;
}

// A chain whose table of the downscaled program would take gigabytes.
v1::SolveRequest LargeTable() {
  v1::SolveRequest request = NewRequest(v1::METHOD_SELECTION);
  AddEdge(AddOp(*request.mutable_profile(), 0), 1);
  AddChain(
      request, 1, 15000, 1, [](int i) { return 1000 + i % 7; }, [](int i) { return 1000003 + i * 17; });
  request.mutable_options()->set_algorithm(v1::ALGORITHM_DOWNSCALED);
  request.mutable_options()->set_resolution(1'000'000);
  return request;
}

v1::SolveRequest Wide(v1::Method method) {
  constexpr int kWidth = 5000;
  v1::SolveRequest request = NewRequest(method);
  v1::Op* loss = AddOp(*request.mutable_profile(), 0);
  for (int i = 0; i < kWidth; ++i) AddEdge(loss, i + 1);
  for (int i = 0; i < kWidth; ++i) AddOp(*request.mutable_profile(), 100 + i % 13);
  std::mt19937 random(1);
  std::lognormal_distribution<double> importance(0, 1);
  for (int i = 0; i < kWidth; ++i) {
    for (int k = 0; k < 6; ++k) AddTensor(request, i + 1, 50 + (i * 7 + k * 13) % 101, importance(random));
  }
  SetTimeLimit(request, kTimeLimit);
  return request;
}

v1::SolveRequest Deep(v1::Method method) {
  v1::SolveRequest request = NewRequest(method);
  AddEdge(AddOp(*request.mutable_profile(), 0), 1);
  AddChain(
      request, 1, 80000, 10, [](int) { return 10; }, [](int i) { return 10 + i % 5; });
  SetTimeLimit(request, kTimeLimit);
  return request;
}

}  // namespace

std::vector<CraftedRequest> CraftedRequests() {
  const std::vector<StatusCode> answered = {StatusCode::kOk};
  const std::vector<StatusCode> answered_or_too_large = {StatusCode::kOk, StatusCode::kResourceExhausted};
  const absl::Duration timeout = absl::Minutes(5);
  std::vector<CraftedRequest> requests;
  requests.push_back({"dead end, overflow", DeadEnd(int64_t{1} << 62), timeout, {StatusCode::kInvalidArgument}});
  requests.push_back({"dead end", DeadEnd(int64_t{1} << 60), timeout, answered});
  SetTimeLimit(requests.back().request, absl::Nanoseconds(1));
  requests.push_back({"large table", LargeTable(), timeout, answered_or_too_large});
  requests.push_back({"large table, time limit", LargeTable(), timeout, answered_or_too_large});
  SetTimeLimit(requests.back().request, kTimeLimit);
  for (const v1::Method method : {v1::METHOD_SELECTION, v1::METHOD_JOINT}) {
    requests.push_back({absl::StrCat("wide, ", v1::Method_Name(method)), Wide(method), timeout, answered});
    requests.push_back({absl::StrCat("deep, ", v1::Method_Name(method)), Deep(method), timeout, answered});
  }
  // Without a limit, a search ends with its call: with the best plan found, shortly before the deadline.
  requests.push_back({"wide, until the deadline",
                      Wide(v1::METHOD_JOINT),
                      absl::Seconds(2),
                      {StatusCode::kOk, StatusCode::kDeadlineExceeded}});
  requests.back().request.mutable_options()->clear_time_limit();
  return requests;
}

}  // namespace greenplan
