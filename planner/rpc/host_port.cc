#include "planner/rpc/host_port.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"

namespace greenplan {
namespace {

constexpr int kMaxPort = 65535;

bool IsHost(absl::string_view host) {
  const bool is_bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (host.empty() || (!is_bracketed && host.find_first_of(":[]") != absl::string_view::npos)) return false;
  return host.find_first_of(" \t\r\n/") == absl::string_view::npos;
}

}  // namespace

std::optional<HostPort> ParseHostPort(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return std::nullopt;
  HostPort result{.host = std::string(text.substr(0, colon))};
  const absl::string_view port = text.substr(colon + 1);
  const bool is_number = std::all_of(port.begin(), port.end(), [](unsigned char c) { return absl::ascii_isdigit(c); });
  if (!IsHost(result.host) || !is_number || !absl::SimpleAtoi(port, &result.port) || result.port > kMaxPort) {
    return std::nullopt;
  }
  return result;
}

}  // namespace greenplan
