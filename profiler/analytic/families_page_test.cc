// Holds the list of families in docs/profiling.md to the code.
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "profiler/analytic/analytic.h"

namespace greenplan::profiler {
namespace {

// Between the two comments of the page, as it stands there.
std::string ListedTable() {
  std::ifstream file("docs/profiling.md");
  const std::string page((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::string begin = "<!-- families: begin -->\n";
  const size_t start = page.find(begin);
  const size_t end = page.find("<!-- families: end -->");
  if (start == std::string::npos || end == std::string::npos) return "";
  return page.substr(start + begin.size(), end - start - begin.size());
}

std::string ExpectedTable() {
  std::string table = "| `model_type` | models | `architectures[0]`, the first by default |\n| --- | --- | --- |\n";
  for (const SupportedFamily& family : SupportedFamilies()) {
    absl::StrAppend(&table, "| `", family.model_type, "` | ", family.title, " | ",
                    absl::StrJoin(family.architectures, ", "), " |\n");
  }
  return table;
}

TEST(FamiliesPageTest, ListsTheFamiliesOfTheCode) {
  EXPECT_EQ(ListedTable(), ExpectedTable()) << "put this between the comments of docs/profiling.md:\n"
                                            << ExpectedTable();
}

}  // namespace
}  // namespace greenplan::profiler
