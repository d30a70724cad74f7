#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_IDENTITY_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_IDENTITY_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "trainer_client/finetune/options.h"

namespace greenplan::trainer {

// Returns what must be the same before and after a resume and on all ranks, {flag: value}. `seq_len` and `row_count`
// are those of the training data as they were read. Pure functions, thread-safe.
nlohmann::json IdentityOfRun(const FinetuneOptions& options, int64_t seq_len, size_t row_count);

// Checks a resume: `before` is the identity of the run in the folder `output`. InvalidArgument, naming the flag and
// both values, if `identity` differs from it. A flag that `before` lacks, because an earlier version wrote it, is not
// compared.
absl::Status CheckSameIdentity(const nlohmann::json& identity, const nlohmann::json& before, const std::string& output);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_RUN_IDENTITY_H_
