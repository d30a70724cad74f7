#include "planner/service/page_token.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "planner/convert/digest.h"
#include "planner/core/invalid_argument.h"

namespace greenplan {
namespace {

constexpr int kDefaultPageSize = 100;
constexpr int kMaxPageSize = 1000;
constexpr size_t kTagLength = 16;

// Ties a position to its list. Long enough that a token of another list, or one that was mangled, is noticed.
std::string TagOf(const PagedList& list, absl::string_view position) {
  constexpr absl::string_view kSeparator("\0", 1);  // In no tenant's or job's name.
  const std::string digest = Sha256Hex(absl::StrJoin({list.rpc, list.tenant, list.parent, position}, kSeparator));
  return digest.substr(0, kTagLength);
}

}  // namespace

absl::StatusOr<int> PageSize(int32_t page_size) {
  if (page_size < 0) {
    return InvalidArgument("page_size", " is ", page_size, "; must be >= 0, 0 meaning ", kDefaultPageSize);
  }
  return page_size == 0 ? kDefaultPageSize : std::min(page_size, kMaxPageSize);
}

std::string FormatPageToken(const PagedList& list, absl::string_view position) {
  return absl::WebSafeBase64Escape(absl::StrCat(TagOf(list, position), position));
}

absl::StatusOr<std::string> ParsePageToken(const PagedList& list, absl::string_view token) {
  if (token.empty()) return "";
  std::string bytes;
  if (absl::WebSafeBase64Unescape(token, &bytes) && bytes.size() > kTagLength) {
    std::string position = bytes.substr(kTagLength);
    if (bytes.compare(0, kTagLength, TagOf(list, position)) == 0) return position;
  }
  return InvalidArgument("page_token",
                         " is not one that this list has answered; must be empty or the next_page_token of a call of ",
                         list.rpc, " with the same parent");
}

}  // namespace greenplan
