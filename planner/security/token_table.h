#ifndef GREENPLAN_PLANNER_SECURITY_TOKEN_TABLE_H_
#define GREENPLAN_PLANNER_SECURITY_TOKEN_TABLE_H_

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "planner/security/caller.h"

namespace greenplan {

// The bearer tokens that a daemon knows, by their SHA-256 alone: whoever reads the file learns no token. A token must
// be random (`openssl rand -hex 32`), as a hash does not protect one that can be guessed. The file is TOML:
//
//   [[token]]
//   tenant = "team-a"
//   role = "trainer"  # or viewer or admin
//   sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # printf %s "$TOKEN" | sha256sum
//
// Immutable, thus thread-safe.
//
//   absl::StatusOr<TokenTable> table = TokenTable::Parse(text);
//   std::optional<Caller> caller = table->Find("2f0c...");  // caller->tenant == "team-a"
class TokenTable {
 public:
  // Reads the text of a tokens file. InvalidArgument if `text` is not such a file, if a key is unknown, missing or
  // malformed, or if a hash appears twice. The message begins with the line, as in "line 3: ".
  static absl::StatusOr<TokenTable> Parse(absl::string_view text);

  // Returns whose `token` this is; nullopt if it is unknown. Takes the same time for every token, known or not, so that
  // the time tells nothing about the tokens. O(number of tokens).
  std::optional<Caller> Find(absl::string_view token) const;

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Entry {
    Digest sha256;
    Caller caller;
  };

  friend class TokenParser;

  std::vector<Entry> entries_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SECURITY_TOKEN_TABLE_H_
