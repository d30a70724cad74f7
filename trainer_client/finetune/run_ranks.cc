#include "trainer_client/finetune/run_ranks.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "planner/files/json_reader.h"
#include "planner/rpc/host_port.h"

namespace greenplan::trainer {

absl::StatusOr<std::unique_ptr<RankGroup>> JoinRanks(const FinetuneOptions& options,
                                                     const std::function<void(const std::string&)>& remark,
                                                     absl::Duration remark_after) {
  if (options.world_size == 1) return nullptr;
  const std::optional<HostPort> place = ParseHostPort(absl::StripPrefix(options.init, "tcp://"));
  if (!place.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat("--init is ", options.init, "; allowed: tcp://HOST:PORT"));
  }
  // LibTorch takes an IPv6 address without brackets.
  const std::string host(absl::StripSuffix(absl::StripPrefix(place->host, "["), "]"));
  return RankGroup::Join({.world_size = static_cast<int>(options.world_size),
                          .rank = static_cast<int>(options.rank),
                          .host = host,
                          .port = place->port,
                          .remark = remark,
                          .remark_after = remark_after});
}

absl::Status CheckSameRun(const nlohmann::json& run, const std::string& weights, RankGroup& ranks) {
  nlohmann::json own = run;
  own["weights"] = weights;
  const absl::StatusOr<std::vector<std::string>> all = ranks.Gather(JsonText(own));
  if (!all.ok()) return all.status();
  const nlohmann::json first = nlohmann::json::parse((*all)[0]);
  for (size_t rank = 1; rank < all->size(); ++rank) {
    const nlohmann::json other = nlohmann::json::parse((*all)[rank]);
    for (const auto& [flag, value] : first.items()) {
      if (flag == "weights" || other.value(flag, nlohmann::json()) == value) continue;
      return absl::InvalidArgumentError(absl::StrCat(flag, " is ", other.value(flag, nlohmann::json()).dump(),
                                                     " on rank ", rank, ", but ", value.dump(),
                                                     " on rank 0; allowed: the same on every rank"));
    }
    if (other["weights"] == first["weights"]) continue;
    return absl::FailedPreconditionError(absl::StrCat("the model of rank ", rank,
                                                      " has other weights than that of rank 0; every rank needs the "
                                                      "same --base, or --model-config and --seed"));
  }
  return absl::OkStatus();
}

}  // namespace greenplan::trainer
