#include "trainer_client/data/npy.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <map>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace greenplan::trainer {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr char kDictionary[] = "a header {'descr': ..., 'fortran_order': ..., 'shape': (...,), }";

std::string Shown(std::string_view text) {
  const absl::string_view head(text.data(), std::min<size_t>(text.size(), 80));
  return absl::StrReplaceAll(absl::CHexEscape(head), {{"\\'", "'"}});
}

struct Parts {
  std::string_view header;
  std::string_view data;
};

absl::StatusOr<Parts> Split(std::string_view file) {
  if (!file.starts_with(kMagic) || file.size() < 10) return absl::InvalidArgumentError("is not a .npy file");
  const int version = static_cast<unsigned char>(file[6]);
  if (version < 1 || version > 3) {
    return absl::InvalidArgumentError(absl::StrCat("has the .npy version ", version, "; allowed: 1 to 3"));
  }
  // The header's length takes 2 bytes in version 1, 4 from then on.
  const size_t length_size = version == 1 ? 2 : 4;
  uint32_t length = 0;
  if (file.size() < 8 + length_size) return absl::InvalidArgumentError("ends within its header");
  std::memcpy(&length, file.data() + 8, length_size);
  if (length > file.size() - 8 - length_size) return absl::InvalidArgumentError("ends within its header");
  return Parts{file.substr(8 + length_size, length), file.substr(8 + length_size + length)};
}

std::string_view Strip(std::string_view text) {
  constexpr char kSpace[] = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

// The header is a Python dictionary. A comma parts entries unless it stands in brackets or in quotes.
std::optional<std::map<std::string, std::string>> ParseDictionary(std::string_view header) {
  header = Strip(header);
  if (header.size() < 2 || header.front() != '{' || header.back() != '}') return std::nullopt;
  header = header.substr(1, header.size() - 2);
  std::map<std::string, std::string> entries;
  int depth = 0;
  char quote = 0;
  size_t begin = 0;
  for (size_t i = 0; i <= header.size(); ++i) {
    const char c = i < header.size() ? header[i] : ',';
    if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == '(' || c == '[') {
      ++depth;
    } else if (c == ')' || c == ']') {
      --depth;
    } else if (c == ',' && depth == 0) {
      const std::string_view entry = Strip(header.substr(begin, i - begin));
      begin = i + 1;
      if (entry.empty()) continue;
      const size_t colon = entry.find(':');
      if (colon == std::string_view::npos) return std::nullopt;
      const std::string key(Strip(entry.substr(0, colon)));
      if (!entries.emplace(key, Strip(entry.substr(colon + 1))).second) return std::nullopt;
    }
  }
  if (quote != 0 || depth != 0) return std::nullopt;
  return entries;
}

// "(12,)" -> 12.
std::optional<uint64_t> OneExtent(std::string_view shape) {
  if (shape.size() < 3 || shape.front() != '(' || shape.back() != ')') return std::nullopt;
  shape = Strip(shape.substr(1, shape.size() - 2));
  if (shape.empty() || shape.back() != ',') return std::nullopt;
  shape = Strip(shape.substr(0, shape.size() - 1));
  uint64_t extent = 0;
  const bool is_digits = !shape.empty() && shape.find_first_not_of("0123456789") == std::string_view::npos;
  if (!is_digits || !absl::SimpleAtoi(absl::string_view(shape.data(), shape.size()), &extent)) return std::nullopt;
  return extent;
}

template <typename Element>
absl::StatusOr<std::vector<int64_t>> Values(std::string_view data, uint64_t count) {
  if (count > std::numeric_limits<uint64_t>::max() / sizeof(Element) || count * sizeof(Element) != data.size()) {
    return absl::InvalidArgumentError(absl::StrCat("holds ", data.size(), " bytes of data; its header says ", count,
                                                   " values of ", sizeof(Element), " bytes"));
  }
  std::vector<int64_t> values(count);
  for (uint64_t i = 0; i < count; ++i) {
    Element element;
    std::memcpy(&element, data.data() + i * sizeof(Element), sizeof(Element));
    values[i] = element;
  }
  return values;
}

}  // namespace

bool IsNpy(std::string_view file) { return file.starts_with(kMagic); }

absl::StatusOr<std::vector<int64_t>> ParseNpy(std::string_view file) {
  const absl::StatusOr<Parts> parts = Split(file);
  if (!parts.ok()) return parts.status();
  const auto entries = ParseDictionary(parts->header);
  if (!entries || !entries->contains("'descr'") || !entries->contains("'fortran_order'") ||
      !entries->contains("'shape'")) {
    return absl::InvalidArgumentError(absl::StrCat("has the header ", Shown(parts->header), "; needed: ", kDictionary));
  }
  if (entries->at("'fortran_order'") != "False") {
    return absl::InvalidArgumentError(
        absl::StrCat("has fortran_order ", Shown(entries->at("'fortran_order'")), "; allowed: False"));
  }
  const std::optional<uint64_t> count = OneExtent(entries->at("'shape'"));
  if (!count) {
    return absl::InvalidArgumentError(
        absl::StrCat("has the shape ", Shown(entries->at("'shape'")), "; allowed: one dimension"));
  }
  const std::string& type = entries->at("'descr'");
  if (type == "'<u2'") return Values<uint16_t>(parts->data, *count);
  if (type == "'<i4'") return Values<int32_t>(parts->data, *count);
  if (type == "'<i8'") return Values<int64_t>(parts->data, *count);
  return absl::InvalidArgumentError(
      absl::StrCat("has the type ", Shown(type), "; allowed: '<u2', '<i4', '<i8' (uint16, int32, int64)"));
}

}  // namespace greenplan::trainer
