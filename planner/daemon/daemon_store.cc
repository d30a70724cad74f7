#include "planner/daemon/daemon_store.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

constexpr char kStore[] = "--store";

}  // namespace

absl::StatusOr<StoreUri> StoreOf(const DaemonOptions& options) {
  if (options.store.empty()) return StoreUri::Sqlite(options.data_dir + "/greenplan.sqlite");
  if (options.data_dir_given) {
    return InvalidArgument("--data-dir", " is ", options.data_dir,
                           ", and --store names a store too; allowed: one of them");
  }
  absl::StatusOr<StoreUri> uri = StoreUri::Parse(options.store);
  if (!uri.ok()) return InvalidArgument(kStore, " ", uri.status().message());
  return uri;
}

absl::StatusOr<std::unique_ptr<Store>> OpenStoreOf(const DaemonOptions& options, const StoreUri& uri) {
  if (!options.store.empty()) {
    absl::StatusOr<std::unique_ptr<Store>> store = uri.Open();
    if (!store.ok()) return InContext(kStore, store.status());
    return store;
  }
  std::error_code error;
  std::filesystem::create_directories(options.data_dir, error);
  if (error) {
    return absl::FailedPreconditionError(
        absl::StrCat("--data-dir ", options.data_dir, " cannot be created: ", error.message()));
  }
  return uri.Open();
}

}  // namespace greenplan
