#ifndef GREENPLAN_PLANNER_STORE_MEMORY_SHARED_STRINGS_H_
#define GREENPLAN_PLANNER_STORE_MEMORY_SHARED_STRINGS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace greenplan {

// Keeps equal strings once, however many use them.
//
//   SharedStrings strings;
//   SharedStrings::Ref a = strings.Share(bytes), b = strings.Share(bytes);  // a == b
//   strings.Drop(a);
//   strings.Drop(b);  // Forgets it.
//
// Not thread-safe. What a reference points to lives as long as the reference, and any thread may read it.
class SharedStrings {
 public:
  using Ref = std::shared_ptr<const std::string>;

  // Returns the string that is equal to `bytes`, for one more user. O(bytes).
  Ref Share(std::string bytes);
  // Takes one user from what Share has returned; the string of none is forgotten. O(bytes).
  void Drop(const Ref& string);

  size_t size() const { return strings_.size(); }

 private:
  struct Shared {
    Ref string;
    int64_t num_users = 0;
  };

  absl::flat_hash_map<absl::string_view, Shared> strings_;  // By what they point to.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_MEMORY_SHARED_STRINGS_H_
