#include "trainer_client/finetune/output_folder.h"

#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "planner/files/files.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;

constexpr const char* kCompanions[] = {
    "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "vocab.json",      "merges.txt",     "added_tokens.json",     "generation_config.json"};

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
  if (existed && !resume && !fs::is_empty(path, error)) {
    return refuse("which is not empty; allowed: a new or empty folder, or --resume to go on with the run in it");
  }
  if (!existed && !fs::create_directories(path, error)) {
    return refuse(absl::StrCat("which cannot be made (", error.message(), "); allowed: a folder that can be written"));
  }
  auto folder = std::unique_ptr<OutputFolder>(new OutputFolder(path, !existed));
  if (access(path.c_str(), W_OK | X_OK) != 0)
    return refuse("which is read-only; allowed: a folder that can be written");
  return folder;
}

OutputFolder::~OutputFolder() {
  std::error_code ignored;
  if (is_ours_ && fs::is_empty(path_, ignored)) fs::remove(path_, ignored);
}

absl::Status OutputFolder::AddCompanions(const std::string& base, const std::string& tokenizer_model) {
  const fs::path here(path_);
  std::error_code ignored;
  const auto add = [&](const fs::path& from, const char* name) {
    if (!fs::exists(here / name, ignored)) added_.push_back(here / name);
    return CopyFile(from, here / name);
  };
  if (!tokenizer_model.empty() && !fs::equivalent(tokenizer_model, here / "tokenizer.model", ignored)) {
    if (absl::Status status = add(tokenizer_model, "tokenizer.model"); !status.ok()) return status;
  }
  if (base.empty()) return absl::OkStatus();
  for (const char* name : kCompanions) {
    const fs::path from = fs::path(base) / name;
    if (!fs::is_regular_file(from, ignored) || fs::exists(here / name, ignored)) continue;
    if (absl::Status status = add(from, name); !status.ok()) return status;
  }
  return absl::OkStatus();
}

void OutputFolder::RemoveCompanions() {
  std::error_code ignored;
  for (const std::string& path : added_) fs::remove(path, ignored);
  added_.clear();
}

}  // namespace greenplan::trainer
