#include "trainer_client/data/text_file.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace greenplan::trainer {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

struct Signature {
  std::string_view bytes;
  const char* what;  // Behind "is ".
};

constexpr Signature kSignatures[] = {
    {"\x1f\x8b"sv, "compressed by gzip; decompress it first, with gunzip"},
    {"\x28\xb5\x2f\xfd"sv, "compressed by zstd; decompress it first, with unzstd"},
    {"\xfd\x37zXZ\x00"sv, "compressed by xz; decompress it first, with unxz"},
    {"BZh"sv, "compressed by bzip2; decompress it first, with bunzip2"},
    {"PK\x03\x04"sv, "a zip archive (or a spreadsheet); extract it, and save tables as JSONL"},
    {"PAR1"sv, "a Parquet table; save it as JSONL"},
    {"ARROW1"sv, "an Arrow table; save it as JSONL"},
    {"\x89HDF"sv, "an HDF5 file; save it as JSONL or .npy"},
    {"%PDF"sv, "a PDF; extract its text first"},
    {"\xff\xfe"sv, "UTF-16; save it as UTF-8: iconv -f utf-16 -t utf-8"},
    {"\xfe\xff"sv, "UTF-16; save it as UTF-8: iconv -f utf-16 -t utf-8"},
};

bool IsContinuation(unsigned char byte) { return (byte & 0xc0) == 0x80; }

// The length of the UTF-8 character at `at`, or 0 if there is none: RFC 3629, without surrogates and overlong forms.
size_t CharacterLength(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) -> uint32_t {
    return at + i < text.size() ? static_cast<unsigned char>(text[at + i]) : 0;
  };
  const uint32_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4) return 0;
  for (size_t i = 1; i < length; ++i) {
    if (!IsContinuation(byte(i))) return 0;
  }
  const uint32_t two = first << 8 | byte(1);
  if (first == 0xe0 && two < 0xe0a0) return 0;  // Overlong.
  if (first == 0xed && two > 0xed9f) return 0;  // A surrogate.
  if (first == 0xf0 && two < 0xf090) return 0;  // Overlong.
  if (first == 0xf4 && two > 0xf48f) return 0;  // Above U+10FFFF.
  return length;
}

// Why the file is no text, given the first byte that shows it.
std::string WhatElse(std::string_view file, size_t at) {
  const std::string where = absl::StrFormat("byte %u is 0x%02X", at, static_cast<unsigned char>(file[at]));
  const std::string_view kind = KnownKind(file);
  if (!kind.empty()) return absl::StrCat("is ", std::string(kind), " (", where, ")");
  if (file[at] == 0) {
    return absl::StrCat("is not text: ", where, ", as in binary files and in UTF-16; UTF-8 text is needed");
  }
  return absl::StrCat("is not UTF-8: ", where,
                      "; save it as UTF-8, from Latin-1 for example with iconv -f latin1 -t utf-8");
}

}  // namespace

absl::StatusOr<std::string_view> TextOf(std::string_view file) {
  for (size_t at = 0; at < file.size();) {
    const size_t length = file[at] == 0 ? 0 : CharacterLength(file, at);
    if (length == 0) return absl::InvalidArgumentError(WhatElse(file, at));
    at += length;
  }
  if (file.starts_with(kByteOrderMark)) file.remove_prefix(kByteOrderMark.size());
  return file;
}

std::string_view KnownKind(std::string_view file) {
  for (const auto& [bytes, what] : kSignatures) {
    if (file.starts_with(bytes)) return what;
  }
  return "";
}

}  // namespace greenplan::trainer
