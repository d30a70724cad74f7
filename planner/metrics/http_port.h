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
//
//   auto port = HttpPort::Start({.listen = "127.0.0.1:7438",
//                                .metrics = [&] { return metrics.Text(); },
//                                .not_ready = [&] { return ReasonsAgainstCalls(); }});
class HttpPort {
 public:
  // Where to listen, and where the answers come from.
  struct Options {
    // "HOST:PORT". Port 0 takes a free port.
    std::string listen;

    // Returns what /metrics answers. Like not_ready, it is called on the port's threads.
    std::function<std::string()> metrics;

    // Returns the reasons why no calls should come. None: /readyz answers 200.
    std::function<std::vector<std::string>()> not_ready;
  };

  // Starts to serve. InvalidArgument if `listen` is no HOST:PORT. Unavailable if it is taken or is no address of this
  // machine.
  static absl::StatusOr<std::unique_ptr<HttpPort>> Start(Options options);
  // Closes the port and waits for the requests in progress.
  ~HttpPort();

  // Returns the port listened on, also where port 0 was asked for.
  int port() const { return port_; }
  // The options that the port was started with.
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
