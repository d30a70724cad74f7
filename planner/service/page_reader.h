#ifndef GREENPLAN_PLANNER_SERVICE_PAGE_READER_H_
#define GREENPLAN_PLANNER_SERVICE_PAGE_READER_H_

#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/store/store.h"

namespace greenplan {

// A page with so many bytes ends there, so that it passes where a gRPC client takes 4 MiB, its default. One item may be
// larger: it is then alone on its page.
inline constexpr size_t kMaxPageBytes = size_t{3} << 20;

template <typename Message>
struct Page {
  std::vector<Message> items;
  bool has_more = false;  // Items come after these.
};

// Whether what the store has answered for a list of at most `limit` messages is known to be all that is left (Store).
template <typename Message>
bool HoldsAllThatIsLeft(const std::vector<Message>& messages, size_t limit) {
  if (messages.empty()) return true;
  if (messages.size() >= limit) return false;
  size_t bytes = 0;
  for (const Message& message : messages) bytes += message.ByteSizeLong();
  return bytes < static_cast<size_t>(kMaxListBytes);
}

// A page of at most `page_size` >= 1 messages of a list in the store.
// `read_after(last, limit)` returns the first messages after `*last`, or from where the page begins if `last` is null,
// as the store's lists do: fewer than `limit` are all there are, unless they are large. Its errors are returned.
template <typename Message, typename ReadAfter>
absl::StatusOr<Page<Message>> ReadPage(size_t page_size, const ReadAfter& read_after) {
  Page<Message> page;
  size_t bytes = 0;
  for (;;) {
    // One more than the page takes tells whether there is a next page.
    const size_t limit = page_size + 1 - page.items.size();
    absl::StatusOr<std::vector<Message>> messages =
        read_after(page.items.empty() ? nullptr : &page.items.back(), static_cast<int>(limit));
    if (!messages.ok()) return messages.status();
    const bool is_end = HoldsAllThatIsLeft(*messages, limit);
    for (Message& message : *messages) {
      bytes += message.ByteSizeLong();
      page.has_more = page.items.size() == page_size || (!page.items.empty() && bytes > kMaxPageBytes);
      if (page.has_more) return page;
      page.items.push_back(std::move(message));
    }
    if (is_end) return page;
  }
}

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_PAGE_READER_H_
