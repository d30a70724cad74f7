#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_EPOCH_TABLE_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_EPOCH_TABLE_H_

#include <optional>
#include <string>

#include "trainer_client/finetune/report.h"

namespace greenplan::trainer {

// The table of epochs on stdout, a line each, in columns of fixed width:
//
//   epoch   trainable  predicted  executed  step time  train loss  valid loss
//       1    11 of 21     0.4987    0.4987    12.3 ms      3.2100      3.1044
//
// predicted and executed are backward FLOPs as shares of full fine-tuning's.
std::string EpochTableHeader();
std::string EpochTableRow(const EpochReport& epoch);

// The line below it: "energy: 1.23 kJ (RAPL package 0), 0.137 g CO2e"; without the grid's intensity no emissions.
std::string EnergyLine(const profiler::EnergyTotal& energy, std::optional<double> grid_grams_per_kwh);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_EPOCH_TABLE_H_
