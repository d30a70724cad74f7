#ifndef GREENPLAN_TRAINER_CLIENT_DATA_NPY_H_
#define GREENPLAN_TRAINER_CLIENT_DATA_NPY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace greenplan::trainer {

// Returns whether a file's bytes begin as those of a .npy file do.
bool IsNpy(std::string_view file);

// Returns the values in the bytes of a .npy file (format versions 1 to 3) that holds one dimension of little-endian
// uint16, int32 or int64. InvalidArgument says what in it is something else.
absl::StatusOr<std::vector<int64_t>> ParseNpy(std::string_view file);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_DATA_NPY_H_
