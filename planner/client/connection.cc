#include "planner/client/connection.h"

#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "planner/client/grpc_connection.h"
#include "planner/client/local_connection.h"

namespace greenplan {
namespace {

// "host:port", "1.2.3.4:port" or "[::1]:port".
bool IsHostAndPort(absl::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return false;
  const absl::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (host.empty() || (!bracketed && host.find_first_of(":[]") != absl::string_view::npos)) return false;
  if (host.find_first_of(" \t\r\n/") != absl::string_view::npos) return false;
  uint32_t port = 0;
  return absl::SimpleAtoi(text.substr(colon + 1), &port) && port >= 1 && port <= 65535;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PlannerConnection>> Connect(const ConnectOptions& options) {
  if (options.planner == "local") return NewLocalConnection(options.timeout);
  if (IsHostAndPort(options.planner)) return NewGrpcConnection(options.planner, options.timeout);
  return absl::InvalidArgumentError(
      absl::StrCat("planner is \"", options.planner, "\"; must be local or HOST:PORT, PORT being 1 to 65535"));
}

}  // namespace greenplan
