#ifndef GREENPLAN_TRAINER_CLIENT_DATA_READ_FILE_H_
#define GREENPLAN_TRAINER_CLIENT_DATA_READ_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace greenplan::trainer {

// The whole file. NotFound: no such file. InvalidArgument: a folder, or it cannot be read. Both name the file.
absl::StatusOr<std::string> ReadFile(const std::string& path);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_DATA_READ_FILE_H_
