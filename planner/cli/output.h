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

// A table of text. Each column is as wide as its widest cell, with two spaces between columns. The first column and
// those in `left` are left-aligned, the others right-aligned. Width is counted in bytes.
class TextTable {
 public:
  explicit TextTable(std::vector<std::string> header, std::vector<size_t> left = {});
  // Adds a row. REQUIRES: it has as many cells as the header.
  void AddRow(std::vector<std::string> cells);
  // Returns the table. Each line ends with a line feed and has no spaces before it.
  std::string ToString() const;

 private:
  std::vector<std::vector<std::string>> rows_;  // The header first.
  std::vector<size_t> left_;
};

// Returns one line of CSV with a line feed. Cells are quoted where RFC 4180 asks for it.
std::string CsvLine(const std::vector<std::string>& cells);

// Returns rows as CSV: the keys of `example` as the header, then one line for each object of `rows`. Numbers are
// written as JSON has them, null as nothing, arrays joined by ';', objects as KEY=VALUE joined by ';'. REQUIRES: all
// objects have the same keys.
std::string CsvOf(const std::vector<nlohmann::ordered_json>& rows, const nlohmann::ordered_json& example);
// The same with the first row as example. REQUIRES: at least one row.
std::string CsvOf(const std::vector<nlohmann::ordered_json>& rows);

// Returns the value as JSON on one line, with a line feed. Bytes that are not UTF-8 become U+FFFD.
std::string JsonLine(const nlohmann::ordered_json& value);

// Return an amount with a unit that people can read, rounded to three significant digits: "1.23 TFLOPs", "12.3 ms" or
// "1.23 J" for a cost, and "1.50 GiB" for bytes.
std::string HumanCost(int64_t cost, CostUnit unit);
std::string HumanBytes(int64_t bytes);

// Returns a share such as "12.3%", or "-" of nothing.
std::string Percent(double part, double whole);

// Returns the budget of a row of `whatif` as text: a number, or "auto".
std::string BudgetLabel(const nlohmann::ordered_json& budget);

// Writes `text` to stdout. Errors are not reported here: Program::Run notices a write that failed and exits with 1.
void Print(const std::string& text);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_OUTPUT_H_
