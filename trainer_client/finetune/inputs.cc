#include "trainer_client/finetune/inputs.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "ATen/Context.h"
#include "absl/strings/str_cat.h"
#include "planner/files/json_reader.h"
#include "trainer_client/data/tokenizer.h"
#include "trainer_client/data/tokenizer_config.h"
#include "trainer_client/finetune/batches.h"
#include "trainer_client/finetune/run_model.h"
#include "trainer_client/models/special_tokens.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kDefaultSeqLen = 512;

absl::Status CheckReadable(const char* flag, const std::string& path, bool is_folder) {
  if (path.empty()) return absl::OkStatus();
  std::error_code ignored;
  const char* allowed = is_folder ? "a folder that can be read" : "a file that can be read";
  // A device may have no end, as /dev/zero has none.
  const fs::file_type type = fs::status(path, ignored).type();
  const bool is_there =
      is_folder ? type == fs::file_type::directory : type == fs::file_type::regular || type == fs::file_type::fifo;
  if (is_there && access(path.c_str(), R_OK) == 0) return absl::OkStatus();
  const char* what = is_there                    ? "which cannot be read"
                     : fs::exists(path, ignored) ? "which is another kind of file"
                                                 : "which does not exist";
  return absl::InvalidArgumentError(absl::StrCat(flag, " is ", path, ", ", what, "; allowed: ", allowed));
}

absl::Status WithFlag(const char* flag, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(flag, ": ", status.message()));
}

// Empty where there is none, which is no error: ids need no tokenizer, and who needs one says so.
std::string FindTokenizer(const FinetuneOptions& options, const std::string& resume_from) {
  if (!options.tokenizer.empty()) return options.tokenizer;
  for (const std::string& folder : {resume_from, options.base}) {
    std::error_code ignored;
    const fs::path path = fs::path(folder) / "tokenizer.model";
    if (!folder.empty() && fs::is_regular_file(path, ignored)) return path;
  }
  return "";
}

// The folder whose files describe the tokenizer: that of its model or, without one, that of the checkpoint.
std::string TokenizerFolder(const FinetuneOptions& options, const std::string& resume_from,
                            const std::string& tokenizer_model) {
  if (!tokenizer_model.empty()) return fs::absolute(tokenizer_model).parent_path();
  return resume_from.empty() ? options.base : resume_from;
}

absl::Status CheckSeqLen(int64_t seq_len, int64_t limit) {
  if (seq_len <= limit) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--seq-len is ", seq_len, "; allowed: an integer from 2 to ", limit,
                                                 ", the model's max_position_embeddings"));
}

// Why there is no tokenizer, if its model is at none of the usual places.
std::string NoTokenizerText(const TokenizerConfig& config) {
  if (!config.has_tokenizer_json) return "none is given (a SentencePiece tokenizer.model)";
  return absl::StrCat("tokenizer.json is not read, only SentencePiece's tokenizer.model; ", kTokenizeInPython);
}

// The tokenizer of a run, if it has one.
struct FoundTokenizer {
  std::unique_ptr<Tokenizer> tokenizer;
  std::string why_none;  // If it is null.
};

// A file that --tokenizer names must be one. Another one that cannot be read matters only to data that need it.
absl::StatusOr<FoundTokenizer> LoadTokenizer(const FinetuneOptions& options, const std::string& path,
                                             const TokenizerConfig& config) {
  if (path.empty()) return FoundTokenizer{nullptr, NoTokenizerText(config)};
  absl::StatusOr<std::unique_ptr<Tokenizer>> loaded = Tokenizer::Load(path);
  if (loaded.ok()) return FoundTokenizer{*std::move(loaded), ""};
  if (!options.tokenizer.empty()) return WithFlag("--tokenizer", loaded.status());
  return FoundTokenizer{nullptr, std::string(loaded.status().message())};
}

// BOS and EOS of rows of ids. They are those of config.json; where it names no end or several, the tokenizer's counts,
// as for transformers' tokenizers and what trains with them.
SpecialTokens RowTokens(SpecialTokens tokens, const TokenizerConfig& tokenizer, std::vector<std::string>& remarks) {
  if (tokenizer.eos && (!tokens.eos || tokens.has_several_eos)) {
    tokens.eos = tokenizer.eos;
  } else if (tokens.has_several_eos) {
    remarks.push_back(absl::StrCat("eos_token_id in config.json is a list and the tokenizer's eos_token is not known: ",
                                   "rows of ids end with the first entry, ", *tokens.eos));
  } else if (tokenizer.eos && tokenizer.eos != tokens.eos) {
    remarks.push_back(absl::StrCat("rows of ids end with eos_token_id of config.json, ", *tokens.eos,
                                   "; the tokenizer's eos_token is ", *tokenizer.eos));
  }
  return tokens;
}

void AddRemark(const std::string& path, const Dataset& data, Inputs& inputs) {
  if (!data.remark.empty()) inputs.remarks.push_back(absl::StrCat(path, " ", data.remark));
}

// Whether each rank has rows for a batch, and batches for a step.
absl::Status CheckBatches(const FinetuneOptions& options, const Inputs& inputs) {
  const int64_t rows = static_cast<int64_t>(inputs.train_rows.size());
  const std::string ranks = options.world_size > 1 ? absl::StrCat(" on each of ", options.world_size, " ranks") : "";
  const int64_t batches = rows / options.world_size / options.batch_size;
  if (batches < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--batch-size is ", options.batch_size, ranks, "; allowed: at most ", rows / options.world_size,
                     options.world_size > 1 ? ", each rank's share of the rows of " : ", the rows of ",
                     inputs.train.seq_len, " tokens in ", options.train));
  }
  if (batches < options.grad_accum) {
    return absl::InvalidArgumentError(absl::StrCat("--grad-accum is ", options.grad_accum, "; allowed: at most ",
                                                   batches, ", the batches of ", options.batch_size, " rows", ranks,
                                                   " in ", options.train));
  }
  return absl::OkStatus();
}

absl::Status ReadData(const FinetuneOptions& options, const JsonlEncoding& encoding, Inputs& inputs) {
  const CausalLm& model = *inputs.checkpoint.model;
  const int64_t limit = model.max_position_embeddings();
  if (absl::Status status = CheckSeqLen(options.seq_len, limit); !status.ok()) return status;
  DatasetOptions data = {.encoding = encoding,
                         .seq_len = options.seq_len,
                         .max_seq_len = options.seq_len == 0 ? std::min(limit, kDefaultSeqLen) : limit,
                         .vocab_size = model.vocab_size()};
  if (options.epochs > 0) {
    absl::StatusOr<Dataset> train = ReadDataset(options.train, data);
    if (!train.ok()) return WithFlag("--train", train.status());
    AddRemark(options.train, *train, inputs);
    inputs.train = *std::move(train);
    inputs.train_rows = UsableRows(inputs.train);
    data.seq_len = inputs.train.seq_len;
    if (absl::Status status = CheckBatches(options, inputs); !status.ok()) return status;
  }
  if (options.valid.empty()) return absl::OkStatus();
  absl::StatusOr<Dataset> valid = ReadDataset(options.valid, data);
  if (!valid.ok()) return WithFlag("--valid", valid.status());
  AddRemark(options.valid, *valid, inputs);
  inputs.valid = *std::move(valid);
  if (!UsableRows(inputs.valid).empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--valid is ", options.valid, ", of which no token within ",
                                                 inputs.valid.seq_len, " is to be predicted"));
}

}  // namespace

absl::Status CheckInputs(const FinetuneOptions& options) {
  const struct {
    const char* flag;
    const std::string& path;
    bool is_folder;
  } inputs[] = {{"--base", options.base, true},       {"--model-config", options.config, false},
                {"--adapter", options.adapter, true}, {"--train", options.train, false},
                {"--valid", options.valid, false},    {"--tokenizer", options.tokenizer, false}};
  for (const auto& [flag, path, is_folder] : inputs) {
    if (absl::Status status = CheckReadable(flag, path, is_folder); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<Inputs> LoadInputs(const FinetuneOptions& options, const std::string& resume_from) {
  Inputs inputs;
  inputs.tokenizer_model = FindTokenizer(options, resume_from);
  const std::string folder = TokenizerFolder(options, resume_from, inputs.tokenizer_model);
  const absl::StatusOr<TokenizerConfig> tokenizer_config = ReadTokenizerConfig(folder);
  if (!tokenizer_config.ok()) return tokenizer_config.status();
  absl::StatusOr<FoundTokenizer> tokenizer = LoadTokenizer(options, inputs.tokenizer_model, *tokenizer_config);
  if (!tokenizer.ok()) return tokenizer.status();
  at::manual_seed(options.seed);
  absl::StatusOr<Checkpoint> checkpoint = LoadRunModel(options, resume_from);
  if (!checkpoint.ok()) return checkpoint.status();
  inputs.checkpoint = *std::move(checkpoint);
  if (const std::vector<std::string>& unused = inputs.checkpoint.unused; !unused.empty()) {
    inputs.remarks.push_back(absl::StrCat(unused.size(), " tensors of layers behind num_hidden_layers are left out, ",
                                          unused.front(), " the first"));
  }
  const absl::StatusOr<SpecialTokens> special = ReadSpecialTokens(inputs.checkpoint.config);
  if (!special.ok()) return special.status();
  const JsonlEncoding encoding = {.tokenizer = tokenizer->tokenizer.get(),
                                  .no_tokenizer = tokenizer->why_none,
                                  .special = RowTokens(*special, *tokenizer_config, inputs.remarks)};
  if (absl::Status status = ReadData(options, encoding, inputs); !status.ok()) return status;
  return inputs;
}

}  // namespace greenplan::trainer
