#include "trainer_client/finetune/progress_bar.h"

#include <algorithm>
#include <chrono>

#include "absl/strings/str_format.h"

namespace greenplan::trainer {
namespace {

constexpr int kWidth = 24;
constexpr auto kInterval = std::chrono::milliseconds(100);

}  // namespace

std::string ProgressLine(const std::string& label, int64_t done, int64_t total, double loss) {
  const int filled = static_cast<int>(kWidth * std::clamp<int64_t>(done, 0, total) / std::max<int64_t>(total, 1));
  std::string bar(kWidth, ' ');
  std::fill_n(bar.begin(), filled, '=');
  if (filled > 0 && filled < kWidth) bar[filled - 1] = '>';
  return absl::StrFormat("%s [%s] %d/%d  loss %.4f", label, bar, done, total, loss);
}

void ProgressBar::Update(const std::string& label, int64_t done, int64_t total, double loss) {
  const auto now = std::chrono::steady_clock::now();
  if (!enabled_ || (is_drawn_ && now - last_drawn_ < kInterval)) return;
  last_drawn_ = now;
  is_drawn_ = true;
  out_ << "\r\x1b[K" << ProgressLine(label, done, total, loss) << std::flush;
}

void ProgressBar::Clear() {
  if (is_drawn_) out_ << "\r\x1b[K" << std::flush;
  is_drawn_ = false;
}

}  // namespace greenplan::trainer
