#include "planner/store/testing/damage.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace greenplan {

std::string Damage(std::mt19937& random, std::string& content) {
  const size_t at = random() % content.size();
  switch (random() % 4) {
    case 0:
      content.resize(at);
      return absl::StrCat("truncated to ", at);
    case 1:
    case 2: {
      const int bit = static_cast<int>(random() % 8);
      content[at] = static_cast<char>(content[at] ^ (1 << bit));
      return absl::StrCat("bit ", bit, " of byte ", at, " flipped");
    }
    default: {
      constexpr size_t kSector = 512;
      const size_t start = at / kSector * kSector;
      const std::string zeros(std::min(kSector, content.size() - start), '\0');
      content.replace(start, zeros.size(), zeros);
      return absl::StrCat("sector at ", start, " zeroed");
    }
  }
}

}  // namespace greenplan
