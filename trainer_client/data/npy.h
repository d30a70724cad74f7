#ifndef GREENPLAN_TRAINER_CLIENT_DATA_NPY_H_
#define GREENPLAN_TRAINER_CLIENT_DATA_NPY_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace greenplan::trainer {

// Whether a file's bytes begin as a .npy file does.
bool IsNpy(std::string_view file);

// The values of a one-dimensional .npy file (format versions 1 to 3) of little-endian uint16, int32 or int64, given the
// file's bytes. InvalidArgument says what in it is something else.
absl::StatusOr<std::vector<int64_t>> ParseNpy(std::string_view file);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_DATA_NPY_H_
