#include "trainer_client/optimizer/adamw_kernel.h"

#include <algorithm>
#include <cmath>

#include "trainer_client/optimizer/parallel_sum.h"

// One version of a function for each vector width, chosen when the program starts.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define FOR_EACH_VECTOR_WIDTH __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define FOR_EACH_VECTOR_WIDTH
#endif

namespace greenplan::trainer {
namespace {

// Elements whose updates are held at a time, in the first-level cache.
constexpr int64_t kBlock = 256;
constexpr int kLanes = 16;

// A thread's share, and the unit in which sums are added up.
constexpr int64_t kChunk = int64_t{1} << 16;

// updates[i] = w'[i] - w[i].
FOR_EACH_VECTOR_WIDTH
void Updates(const float* parameter, const float* gradient, const float* exp_avg, const float* exp_avg_sq,
             int64_t count, const AdamWStep& step, bool has_moments, float* updates) {
  const float decay = step.decay, add1 = step.exp_avg_gain, keep2 = step.exp_avg_sq_decay, add2 = step.exp_avg_sq_gain,
              step_size = step.step_size, correction = step.bias_correction2_sqrt, epsilon = step.epsilon;
  if (has_moments) {
    for (int64_t i = 0; i < count; ++i) {
      const float moment = exp_avg[i] + add1 * (gradient[i] - exp_avg[i]);
      const float square = exp_avg_sq[i] * keep2 + add2 * gradient[i] * gradient[i];
      const float next = parameter[i] * decay - step_size * moment / (std::sqrt(square) / correction + epsilon);
      updates[i] = next - parameter[i];
    }
  } else {
    for (int64_t i = 0; i < count; ++i) {
      const float moment = add1 * gradient[i];
      const float square = add2 * gradient[i] * gradient[i];
      const float next = parameter[i] * decay - step_size * moment / (std::sqrt(square) / correction + epsilon);
      updates[i] = next - parameter[i];
    }
  }
}

FOR_EACH_VECTOR_WIDTH
void AddProducts(const float* a, const float* b, int64_t count, double* sums) {
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      sums[lane] += static_cast<double>(a[i + lane]) * static_cast<double>(b[i + lane]);
    }
  }
  for (; i < count; ++i) sums[0] += static_cast<double>(a[i]) * static_cast<double>(b[i]);
}

}  // namespace

double ProductWithAdamWUpdate(const AdamWArrays& arrays, const float* direction, const AdamWStep& step,
                              int max_threads) {
  const bool has_moments = arrays.exp_avg != nullptr;
  const auto chunk_sum = [&](int64_t chunk) {
    double sums[kLanes] = {};
    float updates[kBlock];
    const int64_t chunk_end = std::min(arrays.count, (chunk + 1) * kChunk);
    for (int64_t begin = chunk * kChunk; begin < chunk_end; begin += kBlock) {
      const int64_t count = std::min(kBlock, chunk_end - begin);
      Updates(arrays.parameter + begin, arrays.gradient + begin, has_moments ? arrays.exp_avg + begin : nullptr,
              has_moments ? arrays.exp_avg_sq + begin : nullptr, count, step, has_moments, updates);
      AddProducts(direction + begin, updates, count, sums);
    }
    double sum = 0;
    for (double lane : sums) sum += lane;
    return sum;
  };
  return ParallelSum((arrays.count + kChunk - 1) / kChunk, max_threads, chunk_sum);
}

}  // namespace greenplan::trainer
