#ifndef GREENPLAN_TESTS_REPLICAS_REPLICAS_H_
#define GREENPLAN_TESTS_REPLICAS_REPLICAS_H_

#include <array>
#include <memory>
#include <string>
#include <vector>

#include "planner/client/connection.h"
#include "tests/service/daemon_process.h"
#include "tests/service/reserved_port.h"

namespace greenplan {

inline constexpr int kNumReplicas = 3;

// Three daemons that serve one database. The destructor kills those that still run. Not thread-safe.
class Replicas {
 public:
  // `uri` names the store, `flags` are further flags of each daemon.
  explicit Replicas(const std::string& uri, const std::vector<std::string>& flags = {});

  // Returns the address of the i-th daemon.
  const std::string& address(int i) const { return daemons_[i]->address(); }
  // Returns the addresses of all of them, beginning with the i-th (mod kNumReplicas), as clients are given them.
  std::string addresses(int i) const;
  ServingDaemon& daemon(int i) { return *daemons_[i]; }

  // Restarts the i-th daemon at its address as an operator does: asks it to stop, waits until it has, starts it, and
  // returns once it answers calls. The test fails unless it ends without an error.
  void Restart(int i);

  // Stops all of them. The test fails unless each ends without an error.
  void ExpectCleanShutdown();

 private:
  std::unique_ptr<ServingDaemon> Start(int i) const;

  const std::string uri_;
  const std::vector<std::string> flags_;
  const std::array<ReservedPort, kNumReplicas> ports_;
  std::array<std::unique_ptr<ServingDaemon>, kNumReplicas> daemons_;
};

// Connects to "HOST:PORT[,HOST:PORT...]" with a timeout that outlasts any outage of a test.
std::unique_ptr<Connection> ConnectTo(const std::string& addresses);

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_REPLICAS_REPLICAS_H_
