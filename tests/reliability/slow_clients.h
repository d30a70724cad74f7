#ifndef GREENPLAN_TESTS_RELIABILITY_SLOW_CLIENTS_H_
#define GREENPLAN_TESTS_RELIABILITY_SLOW_CLIENTS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "tests/reliability/raw_connection.h"

namespace greenplan {

// Clients over raw connections that each send or accept a byte at a time. Half of them send their request so, from the
// first byte of the connection on; the others send it at once and let the server answer a byte at a time, by flow
// control. One that has its answer makes its call again.
//
// They run on a thread of their own, from construction to destruction, which closes the connections. Thread-safe.
class SlowClients {
 public:
  struct Options {
    std::string address;  // "127.0.0.1:PORT".
    int count = 0;
    std::string method;             // As in Http2Call.
    std::string request;            // The message of each call.
    absl::Duration pause_per_byte;  // Of each client.
  };

  explicit SlowClients(const Options& options);
  ~SlowClients();
  SlowClients(const SlowClients&) = delete;
  SlowClients& operator=(const SlowClients&) = delete;

  // How many calls were answered with OK, how many with an error, and how many connections the server closed before.
  int64_t num_answered() const { return num_answered_; }
  int64_t num_failed() const { return num_failed_; }
  int64_t num_closed() const { return num_closed_; }

 private:
  struct Client {
    RawConnection connection;
    std::string slow_bytes;  // Sent one at a time; empty for those that read slowly.
    bool is_reader;
    size_t num_sent = 0;
    std::string answer = {};
  };
  static Client NewSender(const Options& options);
  static Client NewReader(const Options& options);

  void Run();
  // One byte of one client.
  void Step(Client& client);

  const Options options_;
  std::vector<Client> clients_;
  std::atomic<bool> is_ending_ = false;
  std::atomic<int64_t> num_answered_ = 0;
  std::atomic<int64_t> num_failed_ = 0;
  std::atomic<int64_t> num_closed_ = 0;
  std::thread thread_;
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_RELIABILITY_SLOW_CLIENTS_H_
