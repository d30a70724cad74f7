#include "planner/service/page_reader.h"

#include <string>

#include "gtest/gtest.h"
#include "planner/service/batch_size.h"

namespace greenplan {
namespace {

// A message of so many bytes.
struct Item {
  int number = 0;
  size_t bytes = 0;
  size_t ByteSizeLong() const { return bytes; }
};

// A list of `size` messages of `bytes` each.
struct List {
  int size = 0;
  size_t bytes = 0;
  int num_reads = 0;
  size_t most_bytes_at_once = 0;

  absl::StatusOr<Page<Item>> Read(size_t page_size, int after = -1) {
    return ReadPage<Item>(page_size, [&](const Item* last, int limit) -> absl::StatusOr<std::vector<Item>> {
      ++num_reads;
      std::vector<Item> items;
      for (int i = (last == nullptr ? after : last->number) + 1; i < size && items.size() < limit; ++i) {
        items.push_back({i, bytes});
      }
      most_bytes_at_once = std::max(most_bytes_at_once, items.size() * bytes);
      return items;
    });
  }
};

TEST(PageReaderTest, APageHoldsAtMostPageSizeItemsAndSaysWhetherMoreFollow) {
  for (const int page_size : {1, 7, 8, 9, 20, 99, 100, 101, 1000}) {
    List list = {.size = 100, .bytes = 10};
    int next = 0;
    bool has_more = true;
    while (has_more) {
      const auto page = list.Read(page_size, next - 1);
      ASSERT_TRUE(page.ok()) << page.status();
      for (const Item& item : page->items) EXPECT_EQ(item.number, next++);
      has_more = page->has_more;
      EXPECT_EQ(page->items.size(), has_more ? page_size : 100 - (100 - 1) / page_size * page_size) << page_size;
    }
    EXPECT_EQ(next, 100);
  }
}

TEST(PageReaderTest, AnEmptyListIsOneEmptyPage) {
  const auto page = List{.size = 0}.Read(10);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_TRUE(page->items.empty());
  EXPECT_FALSE(page->has_more);
}

TEST(PageReaderTest, APageOfLargeItemsEndsEarly) {
  List list = {.size = 100, .bytes = kMaxPageBytes / 4};
  const auto page = list.Read(50);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->items.size(), 4);
  EXPECT_TRUE(page->has_more);

  List larger = {.size = 2, .bytes = kMaxPageBytes + 1};
  const auto first = larger.Read(50);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->items.size(), 1);
  EXPECT_TRUE(first->has_more);
  EXPECT_FALSE(larger.Read(50, 0)->has_more);
}

TEST(PageReaderTest, SmallItemsAreReadManyAtATimeAndLargeOnesFew) {
  List small = {.size = 2000, .bytes = 100};
  ASSERT_EQ(small.Read(1000)->items.size(), 1000);
  EXPECT_LE(small.num_reads, 3);
  List large = {.size = 2000, .bytes = 1 << 19};
  ASSERT_TRUE(large.Read(1000).ok());
  EXPECT_LE(large.most_bytes_at_once, 8 << 20);
}

TEST(PageReaderTest, AnErrorOfTheListIsThePages) {
  const auto page = ReadPage<Item>(
      10, [](const Item*, int) -> absl::StatusOr<std::vector<Item>> { return absl::UnavailableError("away"); });
  EXPECT_EQ(page.status(), absl::UnavailableError("away"));
}

}  // namespace
}  // namespace greenplan
