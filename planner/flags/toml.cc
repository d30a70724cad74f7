#include "planner/flags/toml.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace greenplan {
namespace {

bool IsBare(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_'; }

// Reads from the front of the text and counts lines.
class Parser {
 public:
  explicit Parser(absl::string_view text) : rest_(text) {}

  absl::StatusOr<std::vector<TomlEntry>> Parse() {
    std::vector<TomlEntry> entries;
    absl::flat_hash_set<std::string> seen;
    for (SkipBlank(); !rest_.empty(); SkipBlank()) {
      auto entry = ReadEntry();
      if (!entry.ok()) return entry.status();
      if (!seen.insert(entry->key).second) return Error(absl::StrCat("the key ", entry->key, " stands twice"));
      entries.push_back(*std::move(entry));
    }
    return entries;
  }

 private:
  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("line ", line_, ": ", what));
  }

  void Skip() {
    if (rest_.front() == '\n') ++line_;
    rest_.remove_prefix(1);
  }
  void SkipSpaces() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t' || rest_.front() == '\r')) Skip();
  }
  // Spaces, line breaks and comments.
  void SkipBlank() {
    for (SkipSpaces(); !rest_.empty() && (rest_.front() == '\n' || rest_.front() == '#'); SkipSpaces()) {
      if (rest_.front() == '#') rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
      if (!rest_.empty()) Skip();
    }
  }
  bool Take(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    Skip();
    return true;
  }

  absl::StatusOr<TomlEntry> ReadEntry() {
    if (rest_.front() == '[') return Error("is a table; allowed: long flag names as keys, without tables");
    TomlEntry entry;
    entry.line = line_;
    const bool is_quoted = rest_.front() == '"' || rest_.front() == '\'';
    auto key = is_quoted ? ReadString() : absl::StatusOr<std::string>(ReadBare(IsBare));
    if (!key.ok()) return key.status();
    entry.key = *std::move(key);
    SkipSpaces();
    if (entry.key.empty() || !Take('=')) return Error("is not KEY = VALUE");
    SkipSpaces();
    const absl::Status status = Take('[') ? ReadArray(entry.values) : ReadValue(entry.values);
    if (!status.ok()) return status;
    SkipSpaces();
    if (!rest_.empty() && rest_.front() != '\n' && rest_.front() != '#') return Error("has more behind its value");
    return entry;
  }

  // Behind the opening bracket.
  absl::Status ReadArray(std::vector<std::string>& values) {
    SkipBlank();
    while (!Take(']')) {
      if (const absl::Status status = ReadValue(values); !status.ok()) return status;
      SkipBlank();
      const bool has_comma = Take(',');
      SkipBlank();
      if (!has_comma && (rest_.empty() || rest_.front() != ']')) return Error("is an array without its end");
    }
    return absl::OkStatus();
  }

  absl::Status ReadValue(std::vector<std::string>& values) {
    if (!rest_.empty() && (rest_.front() == '"' || rest_.front() == '\'')) {
      auto text = ReadString();
      if (!text.ok()) return text.status();
      values.push_back(*std::move(text));
      return absl::OkStatus();
    }
    const std::string word = ReadBare([](char c) { return IsBare(c) || c == '+' || c == '.'; });
    // TOML's numbers may have underscores between digits.
    const std::string number = absl::StrReplaceAll(word, {{"_", ""}});
    double ignored = 0;
    if (word == "true" || word == "false") {
      values.push_back(word);
    } else if (absl::SimpleAtod(number, &ignored)) {
      values.push_back(number);
    } else {
      return Error("has no value; allowed: \"text\", a number, true, false, or an array of these");
    }
    return absl::OkStatus();
  }

  template <typename IsPart>
  std::string ReadBare(const IsPart& is_part) {
    size_t size = 0;
    while (size < rest_.size() && is_part(rest_[size])) ++size;
    const std::string word(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return word;
  }

  // "basic", with escapes, or 'literal', without.
  absl::StatusOr<std::string> ReadString() {
    const char quote = rest_.front();
    rest_.remove_prefix(1);
    std::string text;
    while (!rest_.empty() && rest_.front() != '\n' && rest_.front() != quote) {
      char c = rest_.front();
      rest_.remove_prefix(1);
      if (c == '\\' && quote == '"') {
        constexpr absl::string_view kEscapes = "\"\\ntr";
        constexpr absl::string_view kMeanings = "\"\\\n\t\r";
        const size_t index = rest_.empty() ? absl::string_view::npos : kEscapes.find(rest_.front());
        if (index == absl::string_view::npos) return Error("has an unknown escape; allowed: \\\" \\\\ \\n \\t \\r");
        c = kMeanings[index];
        rest_.remove_prefix(1);
      }
      text += c;
    }
    if (!Take(quote)) return Error("has a string without its closing quote");
    return text;
  }

  absl::string_view rest_;
  int line_ = 1;
};

}  // namespace

absl::StatusOr<std::vector<TomlEntry>> ParseToml(absl::string_view text) { return Parser(text).Parse(); }

}  // namespace greenplan
