#ifndef GREENPLAN_TRAINER_CLIENT_DATA_TEXT_FILE_H_
#define GREENPLAN_TRAINER_CLIENT_DATA_TEXT_FILE_H_

#include <string_view>

#include "absl/status/statusor.h"

namespace greenplan::trainer {

// Returns the text in the bytes of a data file, a view into them without the byte order mark that Windows editors write
// first.
//
// Anything else than UTF-8 text would be trained on as noise, so INVALID_ARGUMENT refuses it. The message says what the
// file is (compressed, a table of another program, UTF-16, binary, of another encoding), at which byte that shows, and
// what to do.
absl::StatusOr<std::string_view> TextOf(std::string_view file);

// Returns what TextOf() says of the file if its first bytes are those of a known kind of file that is no text, such as
// "compressed by gzip; decompress it first, with gunzip". Empty otherwise.
std::string_view KnownKind(std::string_view file);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_DATA_TEXT_FILE_H_
