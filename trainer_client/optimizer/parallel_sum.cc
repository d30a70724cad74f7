#include "trainer_client/optimizer/parallel_sum.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "ATen/Parallel.h"

namespace greenplan::trainer {
namespace {

// Shared with helpers that may start when all is done: they then find no term left and do not call `term`.
class Work {
 public:
  Work(int64_t count, const std::function<double(int64_t)>& term) : term_(term), terms_(count) {}

  void Run() {
    const int64_t count = static_cast<int64_t>(terms_.size());
    int64_t done = 0;
    for (int64_t i = next_++; i < count; i = next_++, ++done) terms_[i] = term_(i);
    if (done == 0) return;
    const std::lock_guard<std::mutex> lock(mutex_);
    done_ += done;
    if (done_ == count) all_done_.notify_all();
  }

  double Sum() {
    std::unique_lock<std::mutex> lock(mutex_);
    all_done_.wait(lock, [&] { return done_ == static_cast<int64_t>(terms_.size()); });
    double sum = 0;
    for (double value : terms_) sum += value;
    return sum;
  }

 private:
  const std::function<double(int64_t)>& term_;  // The caller's, who waits for all terms.
  std::vector<double> terms_;
  std::atomic<int64_t> next_ = 0;
  std::mutex mutex_;
  std::condition_variable all_done_;
  int64_t done_ = 0;
};

}  // namespace

double ParallelSum(int64_t count, int max_threads, const std::function<double(int64_t)>& term) {
  const auto work = std::make_shared<Work>(count, term);
  const int64_t helpers = std::min<int64_t>(max_threads, count) - 1;
  for (int64_t i = 0; i < helpers; ++i) at::launch([work] { work->Run(); });
  work->Run();
  return work->Sum();
}

}  // namespace greenplan::trainer
