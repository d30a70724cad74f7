#include "trainer_client/session/declared_blocks.h"

#include <algorithm>
#include <cstddef>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace greenplan::trainer {
namespace {

constexpr size_t kNamesInMessage = 5;

std::string Names(const std::vector<std::string>& names) {
  if (names.empty()) return "none";
  const size_t shown = std::min(names.size(), kNamesInMessage);
  std::string text = absl::StrJoin(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", ");
  if (shown < names.size()) absl::StrAppend(&text, " and ", names.size() - shown, " more");
  return text;
}

}  // namespace

absl::Status KeepDeclaredBlocks(const std::vector<std::string>& declared, ModelProfile& profile) {
  const std::set<std::string> names(declared.begin(), declared.end());
  std::vector<int> new_index(profile.blocks.size(), kNone);
  std::vector<std::string> kept;
  for (size_t b = 0; b < profile.blocks.size(); ++b) {
    if (!names.contains(profile.blocks[b])) continue;
    new_index[b] = static_cast<int>(kept.size());
    kept.push_back(profile.blocks[b]);
  }
  if (kept.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "no residual block can be dropped; the model declares these branches: ", Names(declared),
        "; the blocks of the profile are: ", Names(profile.blocks), "; declare each as a ResidualBranch of that name"));
  }
  for (Op& op : profile.ops) {
    if (op.block != kNone) op.block = new_index[op.block];
  }
  profile.blocks = std::move(kept);
  return absl::OkStatus();
}

}  // namespace greenplan::trainer
