// The bytes: what a header says, and whether it may be believed.
#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "trainer_client/checkpoint/safetensors.h"

namespace greenplan::trainer {
namespace {

using nlohmann::json;

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kLargestHeader = 100'000'000;
constexpr TensorDtype kDtypes[] = {TensorDtype::kFloat32, TensorDtype::kFloat16, TensorDtype::kBfloat16};

// A tensor and where its bytes lie, counted from the end of the header.
struct Entry {
  std::string name;
  TensorView view;
  uint64_t begin;
  uint64_t end;
};

// Keys of one object; JSON readers keep the last of two equal ones in silence.
class DuplicateKeys {
 public:
  bool See(json::parse_event_t event, const json& parsed) {
    if (event == json::parse_event_t::object_start) keys_.emplace_back();
    if (event == json::parse_event_t::object_end) keys_.pop_back();
    if (event == json::parse_event_t::key && !keys_.back().insert(parsed.get<std::string>()).second) {
      duplicate_ = absl::CEscape(parsed.get<std::string>());
    }
    return true;
  }
  const std::string& duplicate() const { return duplicate_; }

 private:
  std::vector<std::set<std::string>> keys_;
  std::string duplicate_;
};

// The bytes of the header.
absl::StatusOr<absl::Span<const std::byte>> FindHeader(absl::Span<const std::byte> file) {
  if (file.size() < kLengthBytes) {
    return absl::InvalidArgumentError(absl::StrCat("holds ", file.size(), " bytes; a header's length takes 8"));
  }
  constexpr absl::string_view kLfsPointer = "version https://git-lfs";
  if (absl::StartsWith({reinterpret_cast<const char*>(file.data()), file.size()}, kLfsPointer)) {
    return absl::InvalidArgumentError("is a pointer of Git LFS, not the tensors; fetch them with git lfs pull");
  }
  uint64_t length = 0;
  for (int i = kLengthBytes - 1; i >= 0; --i) length = length << 8 | std::to_integer<uint64_t>(file[i]);
  if (length > std::min<uint64_t>(kLargestHeader, file.size() - kLengthBytes)) {
    return absl::InvalidArgumentError(absl::StrCat("header length is ", length, "; allowed up to ", kLargestHeader,
                                                   " and what the file holds, ", file.size() - kLengthBytes,
                                                   ". The file is cut off, or no safetensors file"));
  }
  return file.subspan(kLengthBytes, length);
}

absl::StatusOr<json> ParseHeader(absl::Span<const std::byte> bytes) {
  const char* text = reinterpret_cast<const char*>(bytes.data());
  DuplicateKeys duplicates;
  const auto callback = [&](int, json::parse_event_t event, json& parsed) { return duplicates.See(event, parsed); };
  json header = json::parse(text, text + bytes.size(), callback, /*allow_exceptions=*/false);
  if (header.is_discarded() || !header.is_object()) return absl::InvalidArgumentError("header is not a JSON object");
  if (!duplicates.duplicate().empty()) {
    return absl::InvalidArgumentError(absl::StrCat("header has the key ", duplicates.duplicate(), " twice"));
  }
  return header;
}

absl::StatusOr<TensorDtype> ParseDtype(const json& tensor) {
  const auto it = tensor.find("dtype");
  for (const TensorDtype dtype : kDtypes) {
    if (it != tensor.end() && *it == DtypeName(dtype)) return dtype;
  }
  const std::string shown = it == tensor.end() ? "missing" : it->dump(-1, ' ', true).substr(0, 100);
  return absl::InvalidArgumentError(absl::StrCat("dtype is ", shown, "; allowed: F32, F16, BF16"));
}

// A list of unsigned integers under `key`; nothing where it is anything else.
absl::StatusOr<std::vector<uint64_t>> ParseList(const json& tensor, const std::string& key) {
  const auto it = tensor.find(key);
  const bool is_list = it != tensor.end() && it->is_array() &&
                       std::all_of(it->begin(), it->end(), [](const json& x) { return x.is_number_unsigned(); });
  if (!is_list) return absl::InvalidArgumentError(absl::StrCat(key, " is not a list of integers from 0 on"));
  return it->get<std::vector<uint64_t>>();
}

absl::StatusOr<Entry> ParseEntry(const std::string& name, const json& tensor, absl::Span<const std::byte> data) {
  if (!tensor.is_object()) return absl::InvalidArgumentError("is not an object");
  absl::StatusOr<TensorDtype> dtype = ParseDtype(tensor);
  if (!dtype.ok()) return dtype.status();
  absl::StatusOr<std::vector<uint64_t>> shape = ParseList(tensor, "shape");
  if (!shape.ok()) return shape.status();
  absl::StatusOr<std::vector<uint64_t>> offsets = ParseList(tensor, "data_offsets");
  if (!offsets.ok()) return offsets.status();
  if (offsets->size() != 2 || (*offsets)[0] > (*offsets)[1] || (*offsets)[1] > data.size()) {
    return absl::InvalidArgumentError(absl::StrCat("data_offsets are ", tensor["data_offsets"].dump().substr(0, 100),
                                                   "; allowed: [begin, end] within the ", data.size(),
                                                   " bytes of data"));
  }
  Entry entry{name, {*dtype, {}, {}}, (*offsets)[0], (*offsets)[1]};
  uint64_t bytes = DtypeSize(*dtype);
  for (const uint64_t extent : *shape) {
    if (extent > static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) ||
        __builtin_mul_overflow(bytes, extent, &bytes)) {
      return absl::InvalidArgumentError(absl::StrCat("shape ", tensor["shape"].dump().substr(0, 100), " is too large"));
    }
    entry.view.shape.push_back(static_cast<int64_t>(extent));
  }
  if (bytes != entry.end - entry.begin) {
    return absl::InvalidArgumentError(
        absl::StrCat("shape and dtype take ", bytes, " bytes, data_offsets span ", entry.end - entry.begin));
  }
  entry.view.data = data.subspan(entry.begin, entry.end - entry.begin);
  return entry;
}

// Every byte of the data belongs to exactly one tensor.
absl::Status CheckCoverage(std::vector<Entry>& entries, uint64_t data_size) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); });
  uint64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != covered) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", absl::CEscape(entry.name), ": data begins at ",
                                                     entry.begin, ", but the tensor before it ends at ", covered));
    }
    covered = entry.end;
  }
  if (covered == data_size) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("tensors end at ", covered, ", the data at ", data_size));
}

absl::StatusOr<std::vector<Entry>> ParseEntries(absl::Span<const std::byte> file) {
  absl::StatusOr<absl::Span<const std::byte>> bytes = FindHeader(file);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<json> header = ParseHeader(*bytes);
  if (!header.ok()) return header.status();
  const absl::Span<const std::byte> data = file.subspan(kLengthBytes + bytes->size());
  std::vector<Entry> entries;
  for (const auto& [name, tensor] : header->items()) {
    if (name == "__metadata__") continue;
    absl::StatusOr<Entry> entry = ParseEntry(name, tensor, data);
    if (!entry.ok()) {
      return absl::InvalidArgumentError(absl::StrCat("tensor ", absl::CEscape(name), ": ", entry.status().message()));
    }
    entries.push_back(*std::move(entry));
  }
  if (absl::Status status = CheckCoverage(entries, data.size()); !status.ok()) return status;
  return entries;
}

}  // namespace

std::string DtypeName(TensorDtype dtype) {
  switch (dtype) {
    case TensorDtype::kFloat32:
      return "F32";
    case TensorDtype::kFloat16:
      return "F16";
    case TensorDtype::kBfloat16:
      return "BF16";
  }
  return "";
}

int64_t DtypeSize(TensorDtype dtype) { return dtype == TensorDtype::kFloat32 ? 4 : 2; }

absl::StatusOr<std::map<std::string, TensorView>> ParseSafetensors(absl::Span<const std::byte> file,
                                                                   const std::string& path) {
  absl::StatusOr<std::vector<Entry>> entries = ParseEntries(file);
  if (!entries.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ": ", entries.status().message()));
  std::map<std::string, TensorView> tensors;
  for (Entry& entry : *entries) tensors.emplace(std::move(entry.name), std::move(entry.view));
  return tensors;
}

}  // namespace greenplan::trainer
