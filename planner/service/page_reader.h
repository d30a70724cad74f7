#ifndef GREENPLAN_PLANNER_SERVICE_PAGE_READER_H_
#define GREENPLAN_PLANNER_SERVICE_PAGE_READER_H_

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "planner/service/batch_size.h"

namespace greenplan {

// A page with so many bytes ends there, so that it passes where a gRPC client takes 4 MiB, its default. One item may be
// larger: it is then alone on its page.
inline constexpr size_t kMaxPageBytes = size_t{3} << 20;

template <typename Message>
struct Page {
  std::vector<Message> items;
  bool has_more = false;  // Items come after these.
};

// A page of at most `page_size` >= 1 messages of a list in the store.
// `read_after(last, limit)` returns the first `limit` messages after `*last`, or from where the page begins if `last`
// is null; fewer than `limit` are all there are. Its errors are returned.
template <typename Message, typename ReadAfter>
absl::StatusOr<Page<Message>> ReadPage(size_t page_size, const ReadAfter& read_after) {
  Page<Message> page;
  BatchSize batch;
  size_t bytes = 0;
  for (;;) {
    // One more than the page takes tells whether there is a next page.
    const size_t limit = std::min<size_t>(batch.next(), page_size + 1 - page.items.size());
    absl::StatusOr<std::vector<Message>> messages =
        read_after(page.items.empty() ? nullptr : &page.items.back(), static_cast<int>(limit));
    if (!messages.ok()) return messages.status();
    for (Message& message : *messages) {
      const size_t message_bytes = message.ByteSizeLong();
      bytes += message_bytes;
      page.has_more = page.items.size() == page_size || (!page.items.empty() && bytes > kMaxPageBytes);
      if (page.has_more) return page;
      batch.Saw(message_bytes);
      page.items.push_back(std::move(message));
    }
    if (messages->size() < limit) return page;
  }
}

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_SERVICE_PAGE_READER_H_
