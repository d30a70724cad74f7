#include "planner/rpc/host_port.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
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

bool IsLoopback(absl::string_view host) {
  if (absl::EqualsIgnoreCase(host, "localhost")) return true;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    in6_addr address;
    return inet_pton(AF_INET6, std::string(host.substr(1, host.size() - 2)).c_str(), &address) == 1 &&
           IN6_IS_ADDR_LOOPBACK(&address);
  }
  in_addr address;
  constexpr uint32_t kLoopbackNetwork = 127;
  return inet_pton(AF_INET, std::string(host).c_str(), &address) == 1 &&
         ntohl(address.s_addr) >> 24 == kLoopbackNetwork;
}

}  // namespace greenplan
