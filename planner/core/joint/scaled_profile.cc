#include "planner/core/joint/scaled_profile.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace greenplan {
namespace {

constexpr int kCostBits = 62;

// rate * cost without its fraction; `is_whole` says whether that was zero.
int64_t Skipped(int64_t cost, double rate, bool& is_whole) {
  // rate = mantissa * 2^exponent, exponent <= -52, and mantissa * cost < 2^116.
  int exponent = 0;
  const auto mantissa = static_cast<unsigned __int128>(std::ldexp(std::frexp(rate, &exponent), 53));
  exponent -= 53;
  const unsigned __int128 product = mantissa * static_cast<uint64_t>(cost);
  is_whole = product == 0;
  if (exponent < -120) return 0;
  const auto skipped = static_cast<int64_t>(product >> -exponent);
  is_whole = (static_cast<unsigned __int128>(skipped) << -exponent) == product;
  return skipped;
}

}  // namespace

int ScaledProfile::LargestShift(const ModelProfile& profile) {
  uint64_t sum = profile.forward_cost;
  for (const Op& op : profile.ops) {
    sum += op.cost;
    for (const Edge& edge : op.inputs) sum += edge.cost;
  }
  for (const Tensor& tensor : profile.tensors) sum += tensor.weight_grad_cost;
  return std::max(0, kCostBits - static_cast<int>(std::bit_width(sum)));
}

const ModelProfile& ScaledProfile::At(const std::vector<double>& rates) {
  const bool is_unscaled = std::all_of(rates.begin(), rates.end(), [](double rate) { return rate == 0; });
  if (is_unscaled && shift_ == 0) return profile_;
  if (scaled_.ops.empty()) CopyCosts();
  for (size_t j = 0; j < profile_.ops.size(); ++j) {
    const Op& op = profile_.ops[j];
    const double rate = op.block == kNone ? 0 : rates[op.block];
    scaled_.ops[j].cost = Scaled(op.cost, rate);
    for (size_t e = 0; e < op.inputs.size(); ++e) scaled_.ops[j].inputs[e].cost = Scaled(op.inputs[e].cost, rate);
  }
  for (size_t k = 0; k < profile_.tensors.size(); ++k) {
    const Tensor& tensor = profile_.tensors[k];
    const int block = tensor.op == kNone ? kNone : profile_.ops[tensor.op].block;
    scaled_.tensors[k].weight_grad_cost = Scaled(tensor.weight_grad_cost, block == kNone ? 0 : rates[block]);
  }
  return scaled_;
}

int64_t ScaledProfile::Scaled(int64_t cost, double rate) const {
  cost <<= shift_;
  if (rate == 0) return cost;
  bool is_whole = false;
  const int64_t skipped = Skipped(cost, rate, is_whole);
  return cost - skipped - (rounding_ == Rounding::kDown && !is_whole ? 1 : 0);
}

void ScaledProfile::CopyCosts() {
  scaled_.forward_cost = profile_.forward_cost << shift_;
  scaled_.blocks.resize(profile_.blocks.size());
  scaled_.ops.reserve(profile_.ops.size());
  for (const Op& op : profile_.ops) {
    scaled_.ops.push_back({.cost = op.cost, .inputs = op.inputs, .block = op.block, .saved_bytes = op.saved_bytes});
  }
  scaled_.tensors.reserve(profile_.tensors.size());
  for (const Tensor& tensor : profile_.tensors) {
    scaled_.tensors.push_back(
        {.op = tensor.op, .weight_grad_cost = tensor.weight_grad_cost, .saved_bytes = tensor.saved_bytes});
  }
}

}  // namespace greenplan
