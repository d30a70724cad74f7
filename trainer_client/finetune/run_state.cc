#include "trainer_client/finetune/run_state.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <system_error>
#include <utility>

#include "ATen/ops/empty.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "planner/convert/digest.h"
#include "planner/files/files.h"
#include "planner/files/json_reader.h"
#include "trainer_client/checkpoint/adapter.h"
#include "trainer_client/checkpoint/safetensors.h"

namespace greenplan::trainer {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr absl::string_view kStatePrefix = "trainer_state-";
constexpr absl::string_view kOptimizerPrefix = "optimizer-";
constexpr absl::string_view kStepPrefix = "checkpoint-";
constexpr absl::string_view kUnfinishedPrefix = ".checkpoint-";

std::string StatePath(const std::string& directory, int64_t epoch) {
  return fs::path(directory) / absl::StrCat(kStatePrefix, epoch, ".json");
}

std::string OptimizerPath(const std::string& directory, int64_t epoch) {
  return fs::path(directory) / absl::StrCat(kOptimizerPrefix, epoch, ".safetensors");
}

// The epoch in the name of one of the files above.
std::optional<int64_t> EpochOf(const fs::path& path) {
  const std::string name = path.filename();
  absl::string_view rest = name;
  const bool is_ours = (absl::ConsumePrefix(&rest, kStatePrefix) && absl::ConsumeSuffix(&rest, ".json")) ||
                       (absl::ConsumePrefix(&rest, kOptimizerPrefix) && absl::ConsumeSuffix(&rest, ".safetensors"));
  int64_t epoch = 0;
  return is_ours && absl::SimpleAtoi(rest, &epoch) ? std::optional<int64_t>(epoch) : std::nullopt;
}

// The epochs that have a state in the folder, the latest first.
std::vector<int64_t> SavedEpochs(const std::string& directory) {
  std::vector<int64_t> epochs;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    const bool is_state = absl::StartsWith(entry.path().filename().string(), kStatePrefix);
    if (std::optional<int64_t> epoch = EpochOf(entry.path()); is_state && epoch.has_value()) epochs.push_back(*epoch);
  }
  std::sort(epochs.rbegin(), epochs.rend());
  return epochs;
}

// The steps that have a checkpoint folder below `output`, the latest first.
std::vector<int64_t> SavedSteps(const std::string& output) {
  std::vector<int64_t> steps;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(output, error)) {
    const std::string name = entry.path().filename();
    absl::string_view number = name;
    int64_t step = 0;
    if (absl::ConsumePrefix(&number, kStepPrefix) && absl::SimpleAtoi(number, &step)) steps.push_back(step);
  }
  std::sort(steps.rbegin(), steps.rend());
  return steps;
}

// How many steps the run in the folder has done at least; -1 if there is none. Of several states, which a kill while
// one is saved leaves, the oldest counts: the weights of later ones may be missing. A state that cannot be read counts
// as 0: LoadRun then says why.
int64_t StepsDone(const std::string& directory) {
  if (!HasRun(directory)) return -1;
  const absl::StatusOr<json> file = ReadJsonObjectFile(StatePath(directory, SavedEpochs(directory).back()));
  if (!file.ok()) return 0;
  JsonReader reader(*file, "");
  return static_cast<int64_t>(reader.Array("step_losses").size());
}

void RemoveOtherEpochs(const std::string& directory, int64_t kept_epoch) {
  std::error_code error;
  std::vector<fs::path> outdated;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory, error)) {
    if (EpochOf(entry.path()).value_or(kept_epoch) != kept_epoch) outdated.push_back(entry.path());
  }
  for (const fs::path& path : outdated) fs::remove(path, error);
}

// Files that are about to be written: those that were not there before are removed again unless kept.
class NewFiles {
 public:
  explicit NewFiles(std::vector<fs::path> paths) : paths_(std::move(paths)) {
    std::erase_if(paths_, [](const fs::path& path) {
      std::error_code ignored;
      return fs::exists(path, ignored);
    });
  }
  ~NewFiles() {
    std::error_code ignored;
    for (const fs::path& path : paths_) fs::remove(path, ignored);
  }
  NewFiles(const NewFiles&) = delete;
  NewFiles& operator=(const NewFiles&) = delete;

  void Keep() { paths_.clear(); }

 private:
  std::vector<fs::path> paths_;
};

absl::Status SaveOptimizer(const std::string& path, const Optimizer& optimizer) {
  std::vector<at::Tensor> values;  // Keeps copies alive until they are written.
  std::map<std::string, TensorView> views;
  for (const auto& [name, tensor] : optimizer.state()) {
    values.push_back(tensor.detach().to(at::kCPU, at::kFloat).contiguous());
    const at::Tensor& value = values.back();
    views[name] = {TensorDtype::kFloat32,
                   value.sizes().vec(),
                   {static_cast<const std::byte*>(value.const_data_ptr()), value.nbytes()}};
  }
  return WriteSafetensors(path, views);
}

absl::Status LoadOptimizer(const std::string& path, Optimizer& optimizer) {
  absl::StatusOr<std::unique_ptr<SafetensorsFile>> file = SafetensorsFile::Open(path);
  if (!file.ok()) return file.status();
  Optimizer::State state;
  for (const auto& [name, view] : (*file)->tensors()) {
    if (view.dtype != TensorDtype::kFloat32) {
      return absl::InvalidArgumentError(absl::StrCat(path, ": ", name, " is not F32"));
    }
    at::Tensor& value = state[name] = at::empty(view.shape, at::kFloat);
    std::memcpy(value.data_ptr(), view.data.data(), view.data.size());
  }
  const absl::Status status = optimizer.LoadState(state);
  return status.ok() ? status : absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

}  // namespace

std::string WeightsDigest(const CausalLm& model) {
  std::string digests;
  for (const auto& parameter : model.named_parameters()) {
    const at::Tensor value = parameter.value().detach().cpu().contiguous();
    absl::StrAppend(&digests, parameter.key(), " ",
                    Sha256Hex({static_cast<const char*>(value.const_data_ptr()), value.nbytes()}), "\n");
  }
  return Sha256Hex(digests);
}

absl::Status SaveRun(const std::string& directory, const Checkpoint& checkpoint, const Optimizer& optimizer,
                     const RunState& state) {
  std::error_code error;
  fs::create_directories(directory, error);
  if (error) return absl::UnavailableError(absl::StrCat(directory, " cannot be created: ", error.message()));
  const int64_t epoch = state.last_epoch();
  NewFiles new_files({OptimizerPath(directory, epoch), StatePath(directory, epoch), fs::path(directory) / "config.json",
                      fs::path(directory) / "adapter_config.json"});
  json file = RunStateToJson(state);
  file["weights_digest"] = WeightsDigest(*checkpoint.model);
  const std::string text = JsonText(file) + "\n";
  absl::Status unflushed;
  absl::Status status = IfWritten(SaveOptimizer(OptimizerPath(directory, epoch), optimizer), unflushed);
  if (status.ok()) status = IfWritten(WriteFile(StatePath(directory, epoch), text), unflushed);
  if (status.ok()) status = IfWritten(SaveCheckpoint(checkpoint, directory), unflushed);
  if (!status.ok()) return status;
  new_files.Keep();
  // What a power failure may bring back needs its state.
  if (unflushed.ok()) RemoveOtherEpochs(directory, epoch);
  return unflushed;
}

absl::Status WriteStepCheckpoint(const std::string& output, int64_t step, int64_t kept,
                                 const std::function<absl::Status(const std::string& folder)>& write) {
  const fs::path unfinished = fs::path(output) / absl::StrCat(kUnfinishedPrefix, step);
  const fs::path finished = fs::path(output) / absl::StrCat(kStepPrefix, step);
  std::error_code error;
  fs::remove_all(unfinished, error);
  fs::create_directories(unfinished, error);
  if (error) return absl::UnavailableError(absl::StrCat(unfinished.string(), " cannot be made: ", error.message()));
  if (absl::Status status = write(unfinished); !status.ok()) {
    fs::remove_all(unfinished, error);
    return status;
  }
  fs::remove_all(finished, error);
  fs::rename(unfinished, finished, error);
  if (error) return absl::UnavailableError(absl::StrCat(finished.string(), " cannot be made: ", error.message()));
  std::vector<int64_t> steps = SavedSteps(output);
  for (size_t i = static_cast<size_t>(kept); i < steps.size(); ++i) {
    fs::remove_all(fs::path(output) / absl::StrCat(kStepPrefix, steps[i]), error);
  }
  return absl::OkStatus();
}

std::string FolderToResume(const std::string& output) {
  std::string latest;
  int64_t most_steps = -1;
  std::vector<std::string> folders = {output};
  for (int64_t step : SavedSteps(output)) folders.push_back(fs::path(output) / absl::StrCat(kStepPrefix, step));
  for (const std::string& folder : folders) {
    const int64_t steps = StepsDone(folder);
    if (steps <= most_steps) continue;
    most_steps = steps;
    latest = folder;
  }
  return latest;
}

void RemoveUnfinishedCheckpoints(const std::string& output) {
  std::error_code error;
  std::vector<fs::path> unfinished;
  for (const fs::directory_entry& entry : fs::directory_iterator(output, error)) {
    if (absl::StartsWith(entry.path().filename().string(), kUnfinishedPrefix)) unfinished.push_back(entry.path());
  }
  for (const fs::path& path : unfinished) fs::remove_all(path, error);
}

bool HasRun(const std::string& directory) {
  std::error_code ignored;
  const bool has_weights = fs::exists(fs::path(directory) / "model.safetensors", ignored) || HoldsAdapter(directory);
  return has_weights && !SavedEpochs(directory).empty();
}

absl::StatusOr<RunState> LoadRun(const std::string& directory, const CausalLm& model, Optimizer& optimizer) {
  const std::string weights_digest = WeightsDigest(model);
  for (int64_t epoch : SavedEpochs(directory)) {
    const std::string path = StatePath(directory, epoch);
    const absl::StatusOr<json> file = ReadJsonObjectFile(path);
    if (!file.ok()) return file.status();
    JsonReader reader(*file, path + ": ");
    const std::string saved_digest = reader.Text("weights_digest");
    if (!reader.status().ok()) return reader.status();
    if (saved_digest != weights_digest) continue;
    absl::StatusOr<RunState> state = RunStateFromJson(*file, path + ": ");
    if (!state.ok()) return state.status();
    if (absl::Status status = LoadOptimizer(OptimizerPath(directory, epoch), optimizer); !status.ok()) return status;
    return state;
  }
  return absl::FailedPreconditionError(
      absl::StrCat(directory, HoldsAdapter(directory)
                                  ? ": no trainer_state file belongs to its adapter on this base; --base must be the "
                                    "model that the run began with"
                                  : ": no trainer_state file belongs to the weights in model.safetensors"));
}

}  // namespace greenplan::trainer
