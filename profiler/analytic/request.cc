#include "profiler/analytic/request.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace greenplan::profiler {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxSize = int64_t{1} << 30;
constexpr int64_t kMaxLayers = 10000;

// Of transformers, without those that have parameters.
constexpr absl::string_view kActivations[] = {"gelu",
                                              "gelu_10",
                                              "gelu_fast",
                                              "gelu_new",
                                              "gelu_python",
                                              "gelu_pytorch_tanh",
                                              "gelu_python_tanh",
                                              "gelu_accurate",
                                              "hardswish",
                                              "laplace",
                                              "leaky_relu",
                                              "linear",
                                              "mish",
                                              "quick_gelu",
                                              "relu",
                                              "relu2",
                                              "relu6",
                                              "sigmoid",
                                              "silu",
                                              "sqrtsoftplus",
                                              "swish",
                                              "tanh"};

}  // namespace

void Request::Fail(absl::string_view message) {
  if (status_.ok()) status_ = absl::InvalidArgumentError(message);
}

const Json* Request::Find(Keys keys, const char** name) const {
  *name = *keys.begin();
  for (const char* key : keys) {
    const auto it = config_.find(key);
    if (it == config_.end() || it->is_null()) continue;
    *name = key;
    return &*it;
  }
  return nullptr;
}

int64_t Request::Bounded(const Json& value, absl::string_view name, int64_t low, int64_t high) {
  const bool fits = value.is_number_unsigned() ? value.get<uint64_t>() <= static_cast<uint64_t>(high)
                                               : value.is_number_integer() && value.get<int64_t>() <= high;
  if (fits && value.get<int64_t>() >= low) return value.get<int64_t>();
  Fail(absl::StrCat(name, " is ", value.dump(), "; allowed: whole numbers in [", low, ", ", high, "]"));
  return low;
}

int64_t Request::Size(Keys keys, int64_t missing) {
  const char* name;
  const Json* value = Find(keys, &name);
  return value == nullptr ? missing : Bounded(*value, name, 1, kMaxSize);
}

int64_t Request::Layers(Keys keys, int64_t missing) {
  const char* name;
  const Json* value = Find(keys, &name);
  return value == nullptr ? missing : Bounded(*value, name, 0, kMaxLayers);
}

std::optional<int64_t> Request::SizeOrNull(const char* key, std::optional<int64_t> missing) {
  const auto it = config_.find(key);
  if (it == config_.end()) return missing;
  if (it->is_null()) return std::nullopt;
  return Bounded(*it, key, 1, kMaxSize);
}

bool Request::HasNumber(const char* key, bool missing) {
  const auto it = config_.find(key);
  if (it == config_.end()) return missing;
  if (!it->is_number() && !it->is_null()) Fail(absl::StrCat(key, " is ", it->dump(), "; a number or null is needed"));
  return it->is_number();
}

bool Request::Has(const char* key) const {
  const char* name;
  return Find({key}, &name) != nullptr;
}

bool Request::Flag(const char* key, bool missing) {
  const char* name;
  const Json* value = Find({key}, &name);
  if (value == nullptr) return missing;
  if (value->is_boolean()) return value->get<bool>();
  Fail(absl::StrCat(key, " is ", value->dump(), "; allowed: true, false"));
  return missing;
}

std::string Request::Text(const char* key, absl::string_view missing) {
  const char* name;
  const Json* value = Find({key}, &name);
  if (value != nullptr && value->is_string()) return value->get<std::string>();
  if (value != nullptr) Fail(absl::StrCat(key, " is ", value->dump(), "; a text is needed"));
  return std::string(missing);
}

std::string Request::Activation(Keys keys, absl::string_view missing) {
  const char* name;
  Find(keys, &name);
  const std::string activation = Text(name, missing);
  if (std::find(std::begin(kActivations), std::end(kActivations), activation) == std::end(kActivations)) {
    Fail(absl::StrCat(name, " is \"", activation, "\"; allowed: ", absl::StrJoin(kActivations, ", ")));
  }
  return activation;
}

std::vector<int64_t> Request::Numbers(const char* key) {
  const char* name;
  const Json* list = Find({key}, &name);
  std::vector<int64_t> numbers;
  if (list == nullptr) return numbers;
  if (!list->is_array()) Fail(absl::StrCat(key, " is ", list->dump(), "; a list is needed"));
  for (size_t i = 0; list->is_array() && i < list->size(); ++i) {
    numbers.push_back(Bounded((*list)[i], absl::StrCat(key, "[", i, "]"), 0, kMaxSize));
  }
  return numbers;
}

std::vector<std::string> Request::Texts(const char* key) {
  const char* name;
  const Json* list = Find({key}, &name);
  std::vector<std::string> texts;
  if (list == nullptr) return texts;
  const auto is_text = [](const Json& entry) { return entry.is_string(); };
  if (list->is_array() && std::all_of(list->begin(), list->end(), is_text)) {
    return list->get<std::vector<std::string>>();
  }
  Fail(absl::StrCat(key, " is ", list->dump(), "; a list of texts is needed"));
  return texts;
}

const Json* Request::Object(const char* key) const {
  const auto it = config_.find(key);
  return it != config_.end() && it->is_object() ? &*it : nullptr;
}

std::pair<int64_t, int64_t> Request::Extent(const char* key, int64_t missing) {
  const char* name;
  const Json* value = Find({key}, &name);
  if (value == nullptr) return {missing, missing};
  if (!value->is_array()) {
    const int64_t size = Bounded(*value, key, 1, kMaxSize);
    return {size, size};
  }
  if (value->size() != 2) {
    Fail(absl::StrCat(key, " is ", value->dump(), "; allowed: a size or [height, width]"));
    return {1, 1};
  }
  return {Bounded((*value)[0], absl::StrCat(key, "[0]"), 1, kMaxSize),
          Bounded((*value)[1], absl::StrCat(key, "[1]"), 1, kMaxSize)};
}

int64_t Request::NumLabels(int64_t missing) {
  const char* name;
  if (const Json* value = Find({"num_labels"}, &name)) return Bounded(*value, name, 1, kMaxSize);
  const Json* labels = Find({"id2label"}, &name);
  if (labels == nullptr) return missing;
  if (labels->is_object() && !labels->empty()) return static_cast<int64_t>(labels->size());
  Fail(absl::StrCat("id2label is ", labels->dump(), "; an object of at least one label is needed"));
  return 1;
}

int64_t Request::Length(absl::string_view name, std::optional<int64_t> length, std::optional<int64_t> limit) {
  if (!length.has_value()) {
    Fail(absl::StrCat(name, " is missing; this model needs it"));
    return 1;
  }
  const int64_t high = limit.value_or(kMaxSize);
  if (*length >= 1 && *length <= high) return *length;
  Fail(absl::StrCat(name, " is ", *length, "; allowed: [1, ", high, "]",
                    limit.has_value() ? ", as many as the model has positions for" : ""));
  return 1;
}

int64_t Request::SeqLen(std::optional<int64_t> limit) { return Length("seq_len", options_.seq_len, limit); }

int64_t Request::TargetLen(std::optional<int64_t> limit) { return Length("target_len", options_.target_len, limit); }

int64_t Request::MelFrames(int64_t frames) {
  if (options_.seq_len.value_or(frames) != frames) {
    Fail(absl::StrCat("seq_len is ", *options_.seq_len, "; this model takes exactly ", frames,
                      " mel frames, 2 x max_source_positions"));
  }
  return frames;
}

void Request::CheckPaddingRow(int64_t vocab_size) {
  const char* name;
  const Json* row = Find({"pad_token_id"}, &name);
  if (row == nullptr) return;
  const bool fits = row->is_number_unsigned() ? row->get<uint64_t>() < static_cast<uint64_t>(vocab_size)
                                              : row->is_number_integer() && row->get<int64_t>() >= -vocab_size &&
                                                    row->get<int64_t>() < vocab_size;
  if (!fits) {
    Fail(absl::StrCat("pad_token_id is ", row->dump(), "; allowed: null, or below vocab_size, which is ", vocab_size));
  }
}

void Request::CheckDivides(absl::string_view part_key, int64_t part, absl::string_view whole_key, int64_t whole) {
  if (whole % part == 0) return;
  Fail(absl::StrCat(part_key, " is ", part, "; allowed: what divides ", whole_key, ", which is ", whole));
}

}  // namespace greenplan::profiler
