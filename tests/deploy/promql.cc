#include "tests/deploy/promql.h"

#include <regex>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace greenplan {
namespace {

const std::set<std::string> kScrapeLabels = {"instance", "job", "namespace", "pod"};

// Matches of `pattern` in `text`, each with its groups.
std::vector<std::smatch> FindAll(const std::string& text, const std::regex& pattern) {
  return {std::sregex_iterator(text.begin(), text.end(), pattern), std::sregex_iterator()};
}

}  // namespace

Series ParseMetrics(absl::string_view text) {
  static const std::regex label("([a-zA-Z_][a-zA-Z0-9_]*)=\"");
  Series series;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (line.empty() || line[0] == '#') continue;
    const std::string name(line.substr(0, line.find_first_of("{ ")));
    std::set<std::string>& labels = series[name];
    const std::string rest(line.substr(name.size()));
    for (const std::smatch& match : FindAll(rest, label)) labels.insert(match[1]);
  }
  return series;
}

std::vector<std::string> ProblemsOf(absl::string_view expression, const Series& series) {
  // Values of labels may hold anything.
  static const std::regex quoted(R"("(\\.|[^"\\])*")");
  static const std::regex metric(R"(\b(greenplan_[a-z0-9_]+)\s*(\{[^}]*\})?)");
  static const std::regex matcher(R"(([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=))");
  static const std::regex grouping(R"(\b(by|without|on|ignoring)\s*\(([^)]*)\))");
  const std::string text = std::regex_replace(std::string(expression), quoted, "\"\"");
  std::vector<std::string> problems;
  std::set<std::string> all_labels = kScrapeLabels;
  bool has_metric = false;
  for (const std::smatch& match : FindAll(text, metric)) {
    has_metric = true;
    const std::string name = match[1];
    const auto found = series.find(name);
    if (found == series.end()) {
      problems.push_back(absl::StrCat("there is no metric ", name));
      continue;
    }
    all_labels.insert(found->second.begin(), found->second.end());
    const std::string selector = match[2];
    for (const std::smatch& part : FindAll(selector, matcher)) {
      const std::string label = part[1];
      if (!found->second.contains(label) && !kScrapeLabels.contains(label)) {
        problems.push_back(absl::StrCat(name, " has no label ", label));
      }
    }
  }
  if (!has_metric) problems.push_back("it names no metric greenplan_...");
  for (const std::smatch& match : FindAll(text, grouping)) {
    const std::string list = match[2];
    for (absl::string_view label : absl::StrSplit(list, ',', absl::SkipWhitespace())) {
      label = absl::StripAsciiWhitespace(label);
      if (!all_labels.contains(std::string(label))) problems.push_back(absl::StrCat("no metric has the label ", label));
    }
  }
  return problems;
}

}  // namespace greenplan
