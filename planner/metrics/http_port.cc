#include "planner/metrics/http_port.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <optional>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "civetweb.h"
#include "planner/core/invalid_argument.h"
#include "planner/rpc/host_port.h"

namespace greenplan {
namespace {

constexpr absl::string_view kFlag = "--http-listen";

// civetweb listens on numeric addresses alone.
std::optional<std::string> NumericAddress(const HostPort& address) {
  if (address.host.front() == '[') return absl::StrCat(address.host, ":", address.port);
  addrinfo hints = {};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(address.host.c_str(), nullptr, &hints, &found) != 0) return std::nullopt;
  char host[NI_MAXHOST];
  const int error = getnameinfo(found->ai_addr, found->ai_addrlen, host, sizeof(host), nullptr, 0, NI_NUMERICHOST);
  freeaddrinfo(found);
  if (error != 0) return std::nullopt;
  return absl::StrCat(host, ":", address.port);
}

// Returns the status, as civetweb's handlers do.
int Respond(mg_connection* connection, const std::string& status, const std::string& type, const std::string& body) {
  const mg_request_info* request = mg_get_request_info(connection);
  const absl::string_view method = request->request_method;
  if (method != "GET" && method != "HEAD") {
    mg_printf(connection, "HTTP/1.1 405 Method Not Allowed\r\nAllow: GET, HEAD\r\nContent-Length: 0\r\n\r\n");
    return 405;
  }
  const std::string head =
      absl::StrCat("HTTP/1.1 ", status, "\r\nContent-Type: ", type, "\r\nContent-Length: ", body.size(),
                   "\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n");
  mg_write(connection, head.data(), head.size());
  if (method == "GET") mg_write(connection, body.data(), body.size());
  return 200;
}

int Metrics(mg_connection* connection, void* port) {
  return Respond(connection, "200 OK", "text/plain; version=0.0.4; charset=utf-8",
                 static_cast<HttpPort*>(port)->options().metrics());
}

int Livez(mg_connection* connection, void*) { return Respond(connection, "200 OK", "text/plain", "ok\n"); }

int Readyz(mg_connection* connection, void* port) {
  const std::vector<std::string> reasons = static_cast<HttpPort*>(port)->options().not_ready();
  if (reasons.empty()) return Respond(connection, "200 OK", "text/plain", "ok\n");
  return Respond(connection, "503 Service Unavailable", "text/plain", absl::StrJoin(reasons, "\n") + "\n");
}

int NotFound(mg_connection* connection, void*) {
  return Respond(connection, "404 Not Found", "text/plain", "Served here: /metrics, /livez, /readyz\n");
}

// Connects, and goes away. `address` is numeric.
void Visit(const std::string& address) {
  const std::optional<HostPort> target = ParseHostPort(address);
  if (!target.has_value()) return;
  const absl::string_view host = absl::StripSuffix(absl::StripPrefix(target->host, "["), "]");
  addrinfo hints = {};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(std::string(host).c_str(), absl::StrCat(target->port).c_str(), &hints, &found) != 0) return;
  const int visitor = socket(found->ai_family, found->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (visitor >= 0) {
    connect(visitor, found->ai_addr, found->ai_addrlen);
    close(visitor);
  }
  freeaddrinfo(found);
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpPort>> HttpPort::Start(Options options) {
  const std::optional<HostPort> address = ParseHostPort(options.listen);
  if (!address.has_value()) {
    return InvalidArgument(kFlag, " is ", options.listen, "; allowed: HOST:PORT, PORT being 0 to 65535, or empty");
  }
  const std::optional<std::string> numeric = NumericAddress(*address);
  auto port = absl::WrapUnique(new HttpPort(std::move(options)));
  if (numeric.has_value()) {
    const char* settings[] = {"listening_ports",
                              numeric->c_str(),
                              "num_threads",
                              "4",
                              "request_timeout_ms",
                              "5000",
                              "enable_keep_alive",
                              "no",
                              "enable_directory_listing",
                              "no",
                              nullptr};
    mg_callbacks callbacks = {};
    callbacks.log_message = [](const mg_connection*, const char*) { return 1; };  // Errors are reported as Status.
    port->context_ = mg_start(&callbacks, port.get(), settings);
  }
  if (port->context_ == nullptr) {
    return absl::UnavailableError(absl::StrCat(kFlag, " ", port->options_.listen,
                                               " cannot be listened on: the port is taken, or it is no address of this "
                                               "machine"));
  }
  mg_server_port bound = {};
  mg_get_server_ports(port->context_, 1, &bound);
  port->port_ = bound.port;
  port->bound_address_ = absl::StrCat(numeric->substr(0, numeric->rfind(':')), ":", bound.port);
  mg_set_request_handler(port->context_, "/metrics$", Metrics, port.get());
  mg_set_request_handler(port->context_, "/livez$", Livez, port.get());
  mg_set_request_handler(port->context_, "/readyz$", Readyz, port.get());
  mg_set_request_handler(port->context_, "/", NotFound, port.get());
  return port;
}

// civetweb looks whether it has to stop every 2 s only, or when a client comes. So clients come until it has stopped.
HttpPort::~HttpPort() {
  if (context_ == nullptr) return;
  absl::Notification stopped;
  std::thread visitor([&] {
    do {
      Visit(bound_address_);
    } while (!stopped.WaitForNotificationWithTimeout(absl::Milliseconds(10)));
  });
  mg_stop(context_);
  stopped.Notify();
  visitor.join();
}

}  // namespace greenplan
