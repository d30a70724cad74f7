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

// What stands on top of the model and computes its loss, by the class in architectures[0].
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

  // Returns InvalidArgument about the first thing that was wrong; OK if nothing was.
  const absl::Status& status() const { return status_; }

  // Returns a size in [1, 2^30]. Here and below, `missing` is the value of a key that is missing or null.
  int64_t Size(Keys keys, int64_t missing);
  int64_t Size(const char* key, int64_t missing) { return Size({key}, missing); }
  // Returns a number of layers in [0, 10000].
  int64_t Layers(Keys keys, int64_t missing);
  int64_t Layers(const char* key, int64_t missing) { return Layers({key}, missing); }
  // Returns a size, or nullopt if the key is there with the value null, which is a value of its own.
  std::optional<int64_t> SizeOrNull(const char* key, std::optional<int64_t> missing);
  // Returns whether a number is given rather than null; `missing` if the key is not there.
  bool HasNumber(const char* key, bool missing);
  // Returns whether the key is there and not null.
  bool Has(const char* key) const;
  // Returns true or false.
  bool Flag(const char* key, bool missing);
  // Returns a text.
  std::string Text(const char* key, absl::string_view missing);
  // Returns the name of an activation. Names that transformers does not have are refused.
  std::string Activation(Keys keys, absl::string_view missing);
  std::string Activation(const char* key, absl::string_view missing) { return Activation({key}, missing); }
  // Return a list of whole numbers in [0, 2^30], or of texts; empty if the key is missing.
  std::vector<int64_t> Numbers(const char* key);
  std::vector<std::string> Texts(const char* key);
  // Returns an object below the config; null if the key is missing or holds something else.
  const nlohmann::json* Object(const char* key) const;
  // Returns [height, width]. A single size stands for both.
  std::pair<int64_t, int64_t> Extent(const char* key, int64_t missing);
  // Returns num_labels, or else the size of id2label, or else `missing`.
  int64_t NumLabels(int64_t missing = 2);

  Head head() const { return head_; }
  int64_t batch_size() const { return options_.batch_size; }
  // Returns the tokens of the (source) sequence. At most `limit` of them, if that is given, because learned positions
  // have no more.
  int64_t SeqLen(std::optional<int64_t> limit = std::nullopt);
  // Returns the tokens of the target sequence, with the same limit.
  int64_t TargetLen(std::optional<int64_t> limit = std::nullopt);
  // Returns the mel frames of a recording, which must be `frames` where the options give them.
  int64_t MelFrames(int64_t frames);

  // Reports unless the value `part` of one key divides the value `whole` of another.
  void CheckDivides(absl::string_view part_key, int64_t part, absl::string_view whole_key, int64_t whole);
  // Reports unless pad_token_id, if it is given, is a row of the embedding. A negative one counts from the end.
  void CheckPaddingRow(int64_t vocab_size);
  // Reports anything else that a family finds wrong. The first message counts.
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
