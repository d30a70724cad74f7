#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_RANKS_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_RANKS_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "trainer_client/finetune/options.h"
#include "trainer_client/parallel/rank_group.h"

namespace greenplan::trainer {

// Joins the ranks of the run that the options describe; returns null if the run has one rank. `remark` is told which
// ranks are waited for, once that has taken `remark_after`. Unavailable if ranks are missing; the message names them.
absl::StatusOr<std::unique_ptr<RankGroup>> JoinRanks(const FinetuneOptions& options,
                                                     const std::function<void(const std::string&)>& remark,
                                                     absl::Duration remark_after = JoinOptions().remark_after);

// Checks that all ranks run the same. `run` holds the values of flags, and `weights` is a digest of the model.
// Collective. InvalidArgument names the flag, the ranks and both values; FailedPrecondition means that the models
// differ. Also the errors of RankGroup.
absl::Status CheckSameRun(const nlohmann::json& run, const std::string& weights, RankGroup& ranks);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_RANKS_H_
