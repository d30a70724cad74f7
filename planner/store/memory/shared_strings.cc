#include "planner/store/memory/shared_strings.h"

#include <utility>

namespace greenplan {

SharedStrings::Ref SharedStrings::Share(std::string bytes) {
  auto shared = strings_.find(bytes);
  if (shared == strings_.end()) {
    bytes.shrink_to_fit();
    const auto string = std::make_shared<const std::string>(std::move(bytes));
    shared = strings_.try_emplace(*string, Shared{string}).first;
  }
  ++shared->second.num_users;
  return shared->second.string;
}

void SharedStrings::Drop(const Ref& string) {
  const auto shared = strings_.find(*string);
  if (--shared->second.num_users == 0) strings_.erase(shared);
}

}  // namespace greenplan
