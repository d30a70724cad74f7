#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_EPOCH_TABLE_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_EPOCH_TABLE_H_

#include <optional>
#include <string>

#include "trainer_client/finetune/report.h"

namespace greenplan::trainer {

// The table of epochs on stdout, with one line for each epoch, in columns of fixed width:
//
//   epoch   trainable  predicted  executed  step time  train loss  valid loss
//       1    11 of 21     0.4987    0.4987    12.3 ms      3.2100      3.1044
//
// predicted and executed are backward FLOPs as shares of full fine-tuning's. Both functions return a line without a
// line break.
std::string EpochTableHeader();
std::string EpochTableRow(const EpochReport& epoch);

// Returns the line below the table, such as "energy: 1.23 kJ (RAPL package 0), 0.137 g CO2e". Without the grid's
// intensity, in grams of CO2 equivalent per kWh, it says nothing about emissions.
std::string EnergyLine(const profiler::EnergyTotal& energy, std::optional<double> grid_grams_per_kwh);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_EPOCH_TABLE_H_
