#ifndef GREENPLAN_PLANNER_CLI_OUTPUT_H_
#define GREENPLAN_PLANNER_CLI_OUTPUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "nlohmann/json.hpp"
#include "planner/core/model_profile.h"

namespace greenplan {

// How results are printed: tables for people, with rounded figures and units; json and csv for programs, exact.
// Not thread-safe: everything goes to stdout.

// Adds --format, "table" by default.
void AddFormatFlag(CLI::App& app, std::string& format);

// Columns as wide as their widest cell, two spaces between them. The first column is left-aligned, and so are those in
// `left`; the others are right-aligned.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header, std::vector<size_t> left = {});
  // REQUIRES: as many cells as the header has.
  void AddRow(std::vector<std::string> cells);
  // The table, each line with a line feed and without spaces at its end.
  std::string ToString() const;

 private:
  std::vector<std::vector<std::string>> rows_;  // The header first.
  std::vector<size_t> left_;
};

// One line, quoted where RFC 4180 asks for it, with a line feed.
std::string CsvLine(const std::vector<std::string>& cells);

// The keys of `example` as header and a line per object of `rows`: numbers as JSON has them, null as nothing, arrays
// joined by ';', objects as KEY=VALUE joined by ';'. REQUIRES: all have the same keys.
std::string CsvOf(const std::vector<nlohmann::ordered_json>& rows, const nlohmann::ordered_json& example);
// The same with the first row as example. REQUIRES: at least one row.
std::string CsvOf(const std::vector<nlohmann::ordered_json>& rows);

// JSON on one line, with a line feed.
std::string JsonLine(const nlohmann::ordered_json& value);

// "1.23 TFLOPs", "12.3 ms", "1.23 J": three significant digits.
std::string HumanCost(int64_t cost, CostUnit unit);
std::string HumanBytes(int64_t bytes);           // "1.50 GiB"
std::string Percent(double part, double whole);  // "12.3%"; "-" of nothing.

// A budget of a row of `whatif`: a number, or "auto".
std::string BudgetLabel(const nlohmann::ordered_json& budget);

// Writes to stdout. Program::Run reports a write that failed.
void Print(const std::string& text);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_OUTPUT_H_
