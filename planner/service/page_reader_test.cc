#include "planner/service/page_reader.h"

#include <vector>

#include "gtest/gtest.h"

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

  absl::StatusOr<Page<Item>> Read(size_t page_size, int after = -1) {
    return ReadPage<Item>(page_size, [&](const Item* last, int limit) -> absl::StatusOr<std::vector<Item>> {
      ++num_reads;
      std::vector<Item> items;
      const auto is_full = [&] { return items.size() >= limit || items.size() * bytes >= kMaxListBytes; };
      for (int i = (last == nullptr ? after : last->number) + 1; i < size && !is_full(); ++i) {
        items.push_back({i, bytes});
      }
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

TEST(PageReaderTest, AStoreThatEndsItsListsEarlyDoesNotEndThePages) {
  List list = {.size = 2, .bytes = kMaxListBytes + 1};
  EXPECT_TRUE(list.Read(50)->has_more);
  EXPECT_EQ(list.num_reads, 2);
  const auto last = list.Read(50, 0);
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_EQ(last->items.size(), 1);
  EXPECT_FALSE(last->has_more);
}

TEST(PageReaderTest, SmallItemsAreReadAtOnce) {
  List list = {.size = 2000, .bytes = 100};
  ASSERT_EQ(list.Read(1000)->items.size(), 1000);
  EXPECT_EQ(list.Read(1000, 1989)->items.size(), 10);
  EXPECT_EQ(list.num_reads, 2);
}

TEST(PageReaderTest, AnErrorOfTheListIsThePages) {
  const auto page = ReadPage<Item>(
      10, [](const Item*, int) -> absl::StatusOr<std::vector<Item>> { return absl::UnavailableError("away"); });
  EXPECT_EQ(page.status(), absl::UnavailableError("away"));
}

}  // namespace
}  // namespace greenplan
