#ifndef GREENPLAN_PROFILER_ANALYTIC_REQUEST_H_
#define GREENPLAN_PROFILER_ANALYTIC_REQUEST_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "profiler/analytic/analytic.h"

namespace greenplan::profiler {

// What stands on top of the model and computes its loss.
enum class Head {
  kCausalLm,     // A language model's, that of an encoder-decoder too.
  kMaskedLm,     // Of an encoder.
  kPretraining,  // Several at once, as a model was first trained.
  kSequenceClassifier,
  kTokenClassifier,
  kQuestionAnswering,
  kImageClassifier,
  kNone,     // The bare model: the loss is made of its last hidden state.
  kEncoder,  // The encoder of an encoder-decoder alone, also bare.
};

// What a family reads: the keys of config.json and the lengths of the options, each checked as it is read. A wrong one
// yields a harmless value and is remembered; the family asks status() once, when it has read all it needs.
// A key that is missing or null has its default. Where a config class knows a key by two names, the first that is there
// counts.
class Request {
 public:
  using Keys = std::initializer_list<const char*>;

  Request(const nlohmann::json& config, const AnalyticOptions& options, Head head)
      : config_(config), options_(options), head_(head) {}

  // The first thing that was wrong: InvalidArgument.
  const absl::Status& status() const { return status_; }

  // A size in [1, 2^30].
  int64_t Size(Keys keys, int64_t missing);
  int64_t Size(const char* key, int64_t missing) { return Size({key}, missing); }
  // A number of layers in [0, 10000].
  int64_t Layers(Keys keys, int64_t missing);
  int64_t Layers(const char* key, int64_t missing) { return Layers({key}, missing); }
  // The same where null is a value of its own: nullopt.
  std::optional<int64_t> SizeOrNull(const char* key, std::optional<int64_t> missing);
  // Whether a number is given rather than null.
  bool HasNumber(const char* key, bool missing);
  // Whether the key is there and not null.
  bool Has(const char* key) const;
  bool Flag(const char* key, bool missing);
  std::string Text(const char* key, absl::string_view missing);
  // The name of an activation that transformers has.
  std::string Activation(Keys keys, absl::string_view missing);
  std::string Activation(const char* key, absl::string_view missing) { return Activation({key}, missing); }
  // A list of whole numbers in [0, 2^30], of texts; empty where it is missing.
  std::vector<int64_t> Numbers(const char* key);
  std::vector<std::string> Texts(const char* key);
  // An object below the config; null where the key is missing or holds something else.
  const nlohmann::json* Object(const char* key) const;
  // One size or [height, width].
  std::pair<int64_t, int64_t> Extent(const char* key, int64_t missing);
  // num_labels, else the size of id2label, else `missing`.
  int64_t NumLabels(int64_t missing = 2);

  Head head() const { return head_; }
  int64_t batch_size() const { return options_.batch_size; }
  // Tokens of the (source) sequence; `limit` of them have a position where positions are learned.
  int64_t SeqLen(std::optional<int64_t> limit = std::nullopt);
  int64_t TargetLen(std::optional<int64_t> limit = std::nullopt);
  // Mel frames: `frames`, whether given or not.
  int64_t MelFrames(int64_t frames);

  // The value of one key must divide that of another.
  void CheckDivides(absl::string_view part_key, int64_t part, absl::string_view whole_key, int64_t whole);
  // pad_token_id, if it is given, must be a row of the embedding; a negative one counts from the end.
  void CheckPaddingRow(int64_t vocab_size);
  // Whatever else a family finds wrong.
  void Fail(absl::string_view message);

 private:
  const nlohmann::json* Find(Keys keys, const char** name) const;
  int64_t Bounded(const nlohmann::json& value, absl::string_view name, int64_t low, int64_t high);
  int64_t Length(absl::string_view name, std::optional<int64_t> length, std::optional<int64_t> limit);

  const nlohmann::json& config_;
  const AnalyticOptions& options_;
  Head head_;
  absl::Status status_;
};

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_REQUEST_H_
