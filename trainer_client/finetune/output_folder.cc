#include "trainer_client/finetune/output_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "planner/files/files.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;

constexpr char kGenerationConfig[] = "generation_config.json";
constexpr char kTemplateFolder[] = "additional_chat_templates";

// Files of a tokenizer, of its chat template and of a processor of images or sound, by the beginning of their names and
// by their whole names.
constexpr absl::string_view kTokenizerPrefixes[] = {"tokenizer",     "tokenization_", "vocab",         "merges",
                                                    "chat_template", "spiece",        "sentencepiece", "tekken"};
constexpr absl::string_view kTokenizerFiles[] = {"special_tokens_map.json", "added_tokens.json", "normalizer.json",
                                                 "preprocessor_config.json", "processor_config.json"};

bool IsTokenizerFile(absl::string_view name) {
  return absl::EndsWith(name, ".tiktoken") || absl::c_linear_search(kTokenizerFiles, name) ||
         absl::c_any_of(kTokenizerPrefixes, [&](absl::string_view prefix) { return absl::StartsWith(name, prefix); });
}

// NAME.tmp.PID.N, as planner/files/atomic_file.h names a file until it is whole.
bool IsTemporaryFile(absl::string_view name) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '.');
  const auto is_number = [](absl::string_view part) {
    return !part.empty() && absl::c_all_of(part, [](char c) { return absl::ascii_isdigit(c); });
  };
  const size_t n = parts.size();
  return n >= 4 && parts[n - 3] == "tmp" && is_number(parts[n - 2]) && is_number(parts[n - 1]);
}

// What a run writes before the weights of its first checkpoint.
bool PrecedesFirstCheckpoint(absl::string_view name) {
  return IsTokenizerFile(name) || name == kGenerationConfig || name == kTemplateFolder || name == "config.json" ||
         name == "adapter_config.json" || absl::StartsWith(name, "optimizer-") ||
         absl::StartsWith(name, "trainer_state-");
}

void RemoveTemporaryFiles(const fs::path& folder) {
  std::error_code ignored;
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    if (entry.is_regular_file(ignored) && IsTemporaryFile(entry.path().filename().string())) {
      found.push_back(entry.path());
    }
  }
  for (const fs::path& path : found) fs::remove(path, ignored);
}

// The paths below `folder` of the tokenizer's files there: relative, in alphabetical order.
std::vector<fs::path> TokenizerFiles(const fs::path& folder) {
  std::vector<fs::path> files;
  if (folder.empty()) return files;
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const fs::path name = entry.path().filename();
    if (entry.is_regular_file(ignored) && IsTokenizerFile(name.string()) && !IsTemporaryFile(name.string())) {
      files.push_back(name);
    }
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(folder / kTemplateFolder, ignored)) {
    if (entry.is_regular_file(ignored)) files.push_back(fs::path(kTemplateFolder) / entry.path().filename());
  }
  std::sort(files.begin(), files.end());
  return files;
}

absl::Status CopyFile(const fs::path& from, const fs::path& to) {
  absl::StatusOr<std::string> content = ReadFile(from);
  return content.ok() ? WriteFile(to, *content) : content.status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<OutputFolder>> OutputFolder::Prepare(const std::string& path, bool resume) {
  auto refuse = [&](const std::string& why) {
    return absl::InvalidArgumentError(absl::StrCat("--output is ", path, ", ", why));
  };
  std::error_code error;
  const bool existed = fs::exists(path, error);
  if (existed && !fs::is_directory(path, error)) return refuse("which is not a folder; allowed: a new or empty folder");
  fs::create_directories(path, error);
  if (error) {
    return refuse(absl::StrCat("which cannot be made (", error.message(), "); allowed: a folder that can be written"));
  }
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  auto folder = std::unique_ptr<OutputFolder>(new OutputFolder(path, !existed, descriptor));
  if (descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return refuse("which another greenplan-finetune is using; allowed: a folder of its own for every run");
  }
  if (existed && !resume && !fs::is_empty(path, error)) {
    return refuse("which is not empty; allowed: a new or empty folder, or --resume to go on with the run in it");
  }
  if (access(path.c_str(), W_OK | X_OK) != 0)
    return refuse("which is read-only; allowed: a folder that can be written");
  if (resume) RemoveTemporaryFiles(path);
  return folder;
}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  if (is_ours_ && fs::is_empty(path_, ignored)) fs::remove(path_, ignored);
  if (descriptor_ >= 0) close(descriptor_);
}

bool OutputFolder::MayStartOver() const {
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(path_, error)) {
    if (!PrecedesFirstCheckpoint(entry.path().filename().string())) return false;
  }
  return !error;
}

absl::Status OutputFolder::AddCompanions(const std::string& base, const std::string& tokenizer_model) {
  const fs::path here(path_);
  std::error_code ignored;
  const auto add = [&](const fs::path& from, const fs::path& name) {
    if (!fs::exists(here / name, ignored)) added_.push_back(here / name);
    fs::create_directories((here / name).parent_path(), ignored);
    return CopyFile(from, here / name);
  };
  if (!tokenizer_model.empty() && !fs::equivalent(tokenizer_model, here / "tokenizer.model", ignored)) {
    if (absl::Status status = add(tokenizer_model, "tokenizer.model"); !status.ok()) return status;
  }
  const fs::path tokenizer_folder =
      tokenizer_model.empty() ? fs::path(base) : fs::absolute(tokenizer_model).parent_path();
  for (const fs::path& name : TokenizerFiles(tokenizer_folder)) {
    if (fs::exists(here / name, ignored)) continue;
    if (absl::Status status = add(tokenizer_folder / name, name); !status.ok()) return status;
  }
  const fs::path generation = fs::path(base) / kGenerationConfig;
  if (base.empty() || !fs::is_regular_file(generation, ignored) || fs::exists(here / kGenerationConfig, ignored)) {
    return absl::OkStatus();
  }
  return add(generation, kGenerationConfig);
}

void OutputFolder::RemoveCompanions() {
  std::error_code ignored;
  for (const std::string& path : added_) fs::remove(path, ignored);
  fs::remove(fs::path(path_) / kTemplateFolder, ignored);  // Only if it is empty.
  added_.clear();
}

}  // namespace greenplan::trainer
