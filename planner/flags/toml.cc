#include "planner/flags/toml.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "planner/files/tomlplusplus.h"

namespace greenplan {
namespace {

absl::Status Error(toml::source_position where, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("line ", where.line, ": ", what));
}

// The shortest text that reads back as `number`. A whole one keeps its ".0": it is no integer in the file either.
std::string TextOf(double number) {
  std::array<char, 32> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  const std::string text(buffer.data(), end);
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

// Absent for a table, an array or a date.
std::optional<std::string> TextOf(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return absl::StrCat(number->get());
  if (const auto* number = node.as_floating_point()) return TextOf(number->get());
  if (const auto* flag = node.as_boolean()) return std::string(flag->get() ? "true" : "false");
  return std::nullopt;
}

absl::StatusOr<TomlEntry> EntryOf(std::string table, const toml::key& key, const toml::node& node) {
  TomlEntry entry{std::move(table), std::string(key.str()), {}, static_cast<int>(node.source().begin.line)};
  if (node.is_table() || node.is_array_of_tables()) {
    return Error(key.source().begin, absl::StrCat(entry.key,
                                                  " is a table; allowed: long flag names as keys, at the top level or "
                                                  "in a table with the name of a command"));
  }
  const auto add = [&](const toml::node& value) {
    std::optional<std::string> text = TextOf(value);
    if (text.has_value()) entry.values.push_back(*std::move(text));
    return text.has_value();
  };
  bool ok = true;
  if (const toml::array* array = node.as_array()) {
    for (const toml::node& value : *array) ok = ok && add(value);
  } else {
    ok = add(node);
  }
  if (ok) return entry;
  return Error(node.source().begin,
               absl::StrCat(entry.key,
                            " has no value of a flag; allowed: \"text\", a number, true, false, or an array "
                            "of these"));
}

}  // namespace

absl::StatusOr<std::vector<TomlEntry>> ParseToml(absl::string_view text) {
  const toml::parse_result result = toml::parse(std::string_view(text.data(), text.size()));
  if (result.failed()) {
    const std::string_view reason = result.error().description();
    return Error(result.error().source().begin, {reason.data(), reason.size()});
  }
  std::vector<TomlEntry> entries;
  const auto add = [&entries](const std::string& table, const toml::key& key, const toml::node& node) {
    absl::StatusOr<TomlEntry> entry = EntryOf(table, key, node);
    if (entry.ok()) entries.push_back(*std::move(entry));
    return entry.status();
  };
  for (const auto& [key, node] : result.table()) {
    if (const toml::table* table = node.as_table()) {
      for (const auto& [inner_key, inner_node] : *table) {
        const absl::Status status = add(std::string(key.str()), inner_key, inner_node);
        if (!status.ok()) return status;
      }
    } else if (const absl::Status status = add("", key, node); !status.ok()) {
      return status;
    }
  }
  // The library sorts by key. No two keys stand on one line, so the lines tell the order of the file.
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.line < b.line; });
  return entries;
}

}  // namespace greenplan
