#include "trainer_client/finetune/epoch_table.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace greenplan::trainer {
namespace {

std::string Line(const std::string& epoch, const std::string& trainable, const std::string& predicted,
                 const std::string& executed, const std::string& step_time, const std::string& train_loss,
                 const std::string& validation_loss) {
  return absl::StrFormat("%5s  %10s  %9s  %8s  %9s  %10s  %10s", epoch, trainable, predicted, executed, step_time,
                         train_loss, validation_loss);
}

std::string Share(const PerStep& flops, int64_t full) {
  return full == 0 ? "-" : absl::StrFormat("%.4f", flops.mean() / static_cast<double>(full));
}

std::string Loss(const std::optional<double>& loss) { return loss.has_value() ? absl::StrFormat("%.4f", *loss) : "-"; }

std::string Duration(double seconds) {
  return seconds < 1 ? absl::StrFormat("%.1f ms", seconds * 1e3) : absl::StrFormat("%.2f s", seconds);
}

// Three digits: "123 J", "1.23 kJ".
std::string Joules(double joules) {
  for (const char* unit : {"J", "kJ", "MJ"}) {
    if (joules < 999.5) return absl::StrFormat("%.3g %s", joules, unit);
    joules /= 1e3;
  }
  return absl::StrFormat("%.3g GJ", joules);
}

}  // namespace

std::string EpochTableHeader() {
  return Line("epoch", "trainable", "predicted", "executed", "step time", "train loss", "valid loss");
}

std::string EpochTableRow(const EpochReport& epoch) {
  if (epoch.executed_backward_flops.steps == 0) {
    return Line(absl::StrCat(epoch.epoch), "-", "-", "-", "-", Loss(epoch.train_loss), Loss(epoch.validation_loss));
  }
  return Line(absl::StrCat(epoch.epoch), absl::StrCat(epoch.trainable.size(), " of ", epoch.tensor_count),
              Share(epoch.predicted_backward_flops, epoch.full_backward_flops),
              Share(epoch.executed_backward_flops, epoch.full_backward_flops), Duration(epoch.step_seconds),
              Loss(epoch.train_loss), Loss(epoch.validation_loss));
}

std::string EnergyLine(const profiler::EnergyTotal& energy, std::optional<double> grid_grams_per_kwh) {
  std::string line = absl::StrCat("energy: ", Joules(energy.joules), " (", energy.source(), ")");
  if (grid_grams_per_kwh.has_value()) {
    absl::StrAppendFormat(&line, ", %.3g g CO2e", profiler::Co2eGrams(energy.joules, *grid_grams_per_kwh));
  }
  return line;
}

}  // namespace greenplan::trainer
