#include "planner/convert/array_elements.h"

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace greenplan {
namespace {

// An array or object that the scan is in.
struct Frame {
  bool is_array = false;
  size_t index = 0;            // Of an array's element.
  absl::string_view key = {};  // The last key of an object.
};

// "ops[2].inputs[1]".
std::string PathText(const std::vector<Frame>& frames) {
  std::string path;
  for (const Frame& frame : frames) {
    if (frame.is_array) {
      absl::StrAppend(&path, "[", frame.index, "]");
    } else {
      absl::StrAppend(&path, path.empty() ? "" : ".", frame.key);
    }
  }
  return path;
}

absl::Status NoElement(const std::vector<Frame>& frames, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(PathText(frames), " is ", what, "; allowed: a value"));
}

// The position behind the string that begins with the quote at `begin`.
size_t EndOfString(absl::string_view json, size_t begin) {
  size_t at = begin + 1;
  while (at < json.size() && json[at] != json[begin]) at += json[at] == '\\' ? 2 : 1;
  return at + 1;
}

}  // namespace

absl::Status CheckArrayElements(absl::string_view json) {
  std::vector<Frame> frames;
  for (size_t at = 0; at < json.size(); ++at) {
    const char c = json[at];
    if (c == '{' || c == '[') {
      if (c == '[' && !frames.empty() && frames.back().is_array) return NoElement(frames, "an array");
      frames.push_back({.is_array = c == '['});
      continue;
    }
    if (frames.empty()) continue;
    Frame& frame = frames.back();
    if (c == '}' || c == ']') {
      frames.pop_back();
    } else if (c == ',') {
      ++frame.index;
    } else if (c == '"' || c == '\'') {
      const size_t end = EndOfString(json, at);
      const bool is_key = !frame.is_array && json.find_first_not_of(" \t\r\n", end) != absl::string_view::npos &&
                          json[json.find_first_not_of(" \t\r\n", end)] == ':';
      if (is_key) frame.key = json.substr(at + 1, end - at - 2);
      at = end - 1;
    } else if (c == 'n' && frame.is_array && absl::StartsWith(json.substr(at), "null")) {
      return NoElement(frames, "null");
    }
  }
  return absl::OkStatus();
}

}  // namespace greenplan
