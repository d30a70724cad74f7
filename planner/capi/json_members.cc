#include "planner/capi/json_members.h"

#include <cstddef>

#include "absl/strings/str_cat.h"

namespace greenplan {
namespace {

// Reads tokens of a JSON text, one after the other.
class Scanner {
 public:
  explicit Scanner(absl::string_view text) : text_(text) {}

  size_t position() const { return position_; }

  // The next character that is no white space; NUL at the end.
  char Peek() {
    const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
    while (position_ < text_.size() && is_space(text_[position_])) ++position_;
    return position_ < text_.size() ? text_[position_] : '\0';
  }

  bool Take(char wanted) {
    if (Peek() != wanted) return false;
    ++position_;
    return true;
  }

  // What stands between the quotes.
  bool TakeString(absl::string_view& content) {
    if (!Take('"')) return false;
    const size_t start = position_;
    for (; position_ < text_.size(); ++position_) {
      if (text_[position_] == '\\') {
        ++position_;
      } else if (text_[position_] == '"') {
        content = text_.substr(start, position_++ - start);
        return true;
      }
    }
    return false;
  }

  // A value, up to the comma or bracket behind it.
  bool TakeValue(absl::string_view& value) {
    Peek();
    const size_t start = position_;
    size_t depth = 0;
    for (bool ends = false; !ends && SkipToStructure();) {
      absl::string_view ignored;
      switch (text_[position_]) {
        case '"':
          if (!TakeString(ignored)) return false;
          continue;
        case '{':
        case '[':
          ++depth;
          break;
        case '}':
        case ']':
          ends = depth == 0;
          if (!ends) --depth;
          break;
        default:  // A comma.
          ends = depth == 0;
          break;
      }
      if (!ends) ++position_;
    }
    value = text_.substr(start, position_ - start);
    return depth == 0 && !value.empty();
  }

 private:
  // Goes to the next quote, bracket or comma; false, at the end, if there is none. Most of a request is digits.
  bool SkipToStructure() {
    const auto is_structure = [](char c) {
      return c == '"' || c == ',' || c == '[' || c == ']' || c == '{' || c == '}';
    };
    while (position_ < text_.size() && !is_structure(text_[position_])) ++position_;
    return position_ < text_.size();
  }

  const absl::string_view text_;
  size_t position_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<std::pair<absl::string_view, absl::string_view>>> JsonMembers(absl::string_view text) {
  std::vector<std::pair<absl::string_view, absl::string_view>> members;
  Scanner scanner(text);
  const auto malformed = [&scanner] {
    return absl::InvalidArgumentError(
        absl::StrCat("the request is not a JSON object; the error is at byte ", scanner.position()));
  };
  if (!scanner.Take('{')) return malformed();
  bool ends = scanner.Take('}');
  while (!ends) {
    absl::string_view key;
    absl::string_view value;
    if (!scanner.TakeString(key) || !scanner.Take(':') || !scanner.TakeValue(value)) return malformed();
    members.emplace_back(key, value);
    ends = scanner.Take('}');
    if (!ends && !scanner.Take(',')) return malformed();
  }
  if (scanner.Peek() != '\0' || scanner.position() != text.size()) return malformed();
  return members;
}

}  // namespace greenplan
