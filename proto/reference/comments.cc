#include "proto/reference/comments.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace greenplan {
namespace {

constexpr size_t kShortestCode = 5;  // Letters; shorter words in capitals are abbreviations.

bool IsCapital(char c) { return absl::ascii_isupper(c) || c == '_'; }
bool IsWord(char c) { return absl::ascii_isalnum(c) || c == '_'; }

// What Markdown would take for HTML, escaped; words in capitals as code; what stands in backquotes, as it is.
std::string FormatText(absl::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    size_t end = at + 1;
    if (text[at] == '`') {
      end = text.find('`', at + 1);
      end = end == absl::string_view::npos ? text.size() : end + 1;
      absl::StrAppend(&result, text.substr(at, end - at));
    } else if (IsWord(text[at])) {
      while (end < text.size() && IsWord(text[end])) ++end;
      const absl::string_view word = text.substr(at, end - at);
      const bool is_code = word.size() >= kShortestCode && std::all_of(word.begin(), word.end(), IsCapital);
      absl::StrAppend(&result, is_code ? "`" : "", word, is_code ? "`" : "");
    } else if (text[at] == '<') {
      absl::StrAppend(&result, "\\<");
    } else {
      result.push_back(text[at]);
    }
    at = end;
  }
  return result;
}

// The lines without the blank that follows "//".
std::vector<std::string> LinesOf(absl::string_view comment) {
  std::vector<std::string> lines;
  for (absl::string_view line : absl::StrSplit(absl::StripTrailingAsciiWhitespace(comment), '\n')) {
    absl::ConsumePrefix(&line, " ");
    lines.emplace_back(absl::StripTrailingAsciiWhitespace(line));
  }
  return lines;
}

}  // namespace

std::string ToMarkdown(absl::string_view comment) {
  std::string result;
  bool in_list = false;
  for (const std::string& line : LinesOf(comment)) {
    const bool is_indented = absl::StartsWith(line, "  ");
    in_list = absl::StartsWith(line, "- ") || (in_list && is_indented);
    if (is_indented && !in_list) {
      absl::StrAppend(&result, "\n    ", absl::StripLeadingAsciiWhitespace(line), "\n\n");
    } else {
      absl::StrAppend(&result, FormatText(line), "\n");
    }
  }
  return result;
}

std::string ToTableCell(absl::string_view comment) {
  std::vector<std::string> words = absl::StrSplit(comment, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  return absl::StrReplaceAll(FormatText(absl::StrJoin(words, " ")), {{"|", "\\|"}});
}

std::string FirstSentence(absl::string_view comment) {
  const std::string cell = ToTableCell(comment);
  const size_t end = cell.find(". ");
  return end == std::string::npos ? cell : cell.substr(0, end + 1);
}

}  // namespace greenplan
