#include "planner/admission/answer_memory.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "planner/rpc/retry_delay.h"

namespace greenplan {
namespace {

// Answers of at most so many bytes are small. Most are: a plan takes an eighth of a byte for each tensor.
constexpr int64_t kSmallBytes = 16 << 10;

// As a rule clients take an answer within milliseconds; those of a tenant that is refused are slow.
constexpr absl::Duration kRetryDelay = absl::Seconds(1);

}  // namespace

absl::Status AnswerMemory::Admit(const std::string& tenant) const {
  absl::MutexLock lock(&mutex_);
  const auto held = by_tenant_.find(tenant);
  return held == by_tenant_.end() ? absl::OkStatus() : Check(tenant, held->second + 1);
}

absl::StatusOr<AnswerMemory::Share> AnswerMemory::Take(const std::string& tenant, int64_t num_bytes) {
  const int64_t taken = num_bytes + kCallBytes;
  absl::MutexLock lock(&mutex_);
  const auto held = by_tenant_.find(tenant);
  if (held != by_tenant_.end() && num_bytes > kSmallBytes) {
    if (absl::Status status = Check(tenant, held->second + taken); !status.ok()) return status;
  }
  auto& [name, bytes] = held == by_tenant_.end() ? *by_tenant_.try_emplace(tenant, 0).first : *held;
  bytes += taken;
  held_bytes_ += taken;
  return Share(this, GiveBack{&name, taken});
}

int64_t AnswerMemory::held_bytes() const {
  absl::MutexLock lock(&mutex_);
  return held_bytes_;
}

absl::Status AnswerMemory::Check(const std::string& tenant, int64_t num_bytes) const {
  const int64_t held = by_tenant_.at(tenant);
  const auto share = limits_.bytes / static_cast<int64_t>(by_tenant_.size());
  const int64_t limit = held_bytes_ - held + num_bytes > limits_.bytes ? std::min(share, limits_.bytes_per_tenant)
                                                                       : limits_.bytes_per_tenant;
  if (num_bytes <= limit) return absl::OkStatus();
  return WithRetryDelay(absl::ResourceExhaustedError(absl::StrCat(
                            "answers of ", held, " bytes wait for the clients of this tenant to read them; allowed: ",
                            limit, "; read them, or try again in 1s")),
                        kRetryDelay);
}

void AnswerMemory::Return(const std::string& tenant, int64_t bytes) {
  absl::MutexLock lock(&mutex_);
  held_bytes_ -= bytes;
  const auto held = by_tenant_.find(tenant);
  held->second -= bytes;
  if (held->second == 0) by_tenant_.erase(held);
}

}  // namespace greenplan
