#include "planner/cli/output.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "planner/flags/program.h"

namespace greenplan {
namespace {

using nlohmann::ordered_json;

// `value` in the largest unit of which it is at least one: each unit is `factor` times the one before.
std::string Scaled(double value, double factor, const std::vector<absl::string_view>& units) {
  size_t unit = 0;
  while (unit + 1 < units.size() && std::abs(value) >= factor) {
    value /= factor;
    ++unit;
  }
  const int decimals = unit == 0 && value == std::floor(value) ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0;
  return absl::StrFormat("%.*f %s", decimals, value, units[unit]);
}

std::string CsvCell(const ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "";
  if (!value.is_structured()) return value.dump();
  std::vector<std::string> parts;
  for (const auto& [key, element] : value.items()) {
    const std::string cell = CsvCell(element);
    parts.push_back(value.is_object() ? absl::StrCat(key, "=", cell) : cell);
  }
  return absl::StrJoin(parts, ";");
}

}  // namespace

void AddFormatFlag(CLI::App& app, std::string& format) {
  app.add_option("--format", format, "table (default), json or csv.")->check(OneOf({"table", "json", "csv"}));
}

TextTable::TextTable(std::vector<std::string> header, std::vector<size_t> left) : left_(std::move(left)) {
  left_.push_back(0);
  rows_.push_back(std::move(header));
}

void TextTable::AddRow(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

std::string TextTable::ToString() const {
  std::vector<size_t> widths(rows_[0].size(), 0);
  for (const auto& row : rows_) {
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string padding(widths[c] - row[c].size(), ' ');
      const bool is_left = std::find(left_.begin(), left_.end(), c) != left_.end();
      absl::StrAppend(&line, c > 0 ? "  " : "", is_left ? "" : padding, row[c], is_left ? padding : "");
    }
    line.erase(line.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, line, "\n");
  }
  return text;
}

std::string CsvLine(const std::vector<std::string>& cells) {
  std::vector<std::string> quoted;
  for (const std::string& cell : cells) {
    const bool is_plain = cell.find_first_of(",\"\r\n") == std::string::npos;
    quoted.push_back(is_plain ? cell : absl::StrCat("\"", absl::StrReplaceAll(cell, {{"\"", "\"\""}}), "\""));
  }
  return absl::StrJoin(quoted, ",") + "\n";
}

std::string CsvOf(const std::vector<ordered_json>& rows) { return CsvOf(rows, rows.front()); }

std::string CsvOf(const std::vector<ordered_json>& rows, const ordered_json& example) {
  std::vector<std::string> header;
  for (const auto& item : example.items()) header.push_back(item.key());
  std::string text = CsvLine(header);
  for (const ordered_json& row : rows) {
    std::vector<std::string> cells;
    for (const auto& item : row.items()) cells.push_back(CsvCell(item.value()));
    text += CsvLine(cells);
  }
  return text;
}

std::string JsonLine(const ordered_json& value) {
  // The name of a file need not be UTF-8.
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

std::string HumanCost(int64_t cost, CostUnit unit) {
  const double value = static_cast<double>(cost);
  switch (unit) {
    case CostUnit::kFlops:
      return Scaled(value, 1000, {"FLOPs", "kFLOPs", "MFLOPs", "GFLOPs", "TFLOPs", "PFLOPs", "EFLOPs"});
    case CostUnit::kNanoseconds:
      return Scaled(value, 1000, {"ns", "us", "ms", "s"});
    case CostUnit::kMicrojoules:
      return Scaled(value, 1000, {"uJ", "mJ", "J", "kJ", "MJ", "GJ"});
  }
  return absl::StrCat(cost);
}

std::string HumanBytes(int64_t bytes) {
  return Scaled(static_cast<double>(bytes), 1024, {"B", "KiB", "MiB", "GiB", "TiB", "PiB"});
}

std::string Percent(double part, double whole) {
  return whole == 0 ? "-" : absl::StrFormat("%.1f%%", 100 * part / whole);
}

std::string BudgetLabel(const ordered_json& budget) {
  return budget.is_string() ? budget.get<std::string>() : budget.dump();
}

void Print(const std::string& text) { std::cout << text; }

}  // namespace greenplan
