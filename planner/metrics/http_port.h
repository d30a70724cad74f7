#ifndef GREENPLAN_PLANNER_METRICS_HTTP_PORT_H_
#define GREENPLAN_PLANNER_METRICS_HTTP_PORT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

struct mg_context;

namespace greenplan {

// The port that probes and Prometheus read, over plain HTTP and without tokens, so that they work beside mTLS.
//
//   /metrics  what Prometheus scrapes
//   /livez    200 while the process answers
//   /readyz   200 if it should get calls, else 503 with a reason on each line
//
// It serves from a few threads of its own. A client that is slow with its request is cut off after 5 seconds.
// Thread-safety: safe.
class HttpPort {
 public:
  struct Options {
    std::string listen;                                   // "HOST:PORT"; port 0 takes a free one.
    std::function<std::string()> metrics;                 // The functions are called on the port's threads.
    std::function<std::vector<std::string>()> not_ready;  // Why no calls should come; empty: they may.
  };

  // InvalidArgument: `listen` is no HOST:PORT. Unavailable: it is taken, or is no address of this machine.
  static absl::StatusOr<std::unique_ptr<HttpPort>> Start(Options options);
  // Waits for the requests in progress.
  ~HttpPort();

  int port() const { return port_; }
  const Options& options() const { return options_; }

 private:
  explicit HttpPort(Options options) : options_(std::move(options)) {}

  const Options options_;
  mg_context* context_ = nullptr;
  int port_ = 0;
  std::string bound_address_;  // Numeric, with the port that it got.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_METRICS_HTTP_PORT_H_
