#ifndef GREENPLAN_TESTS_RELIABILITY_RAW_CONNECTION_H_
#define GREENPLAN_TESTS_RELIABILITY_RAW_CONNECTION_H_

#include <string>

#include "absl/time/time.h"

namespace greenplan {

// A TCP connection to a server on 127.0.0.1, without any protocol. Movable; closes when destroyed. Not thread-safe.
class RawConnection {
 public:
  // Connects to `address`, "127.0.0.1:PORT". The test fails if nobody listens there.
  explicit RawConnection(const std::string& address);
  RawConnection(RawConnection&& other) noexcept;
  RawConnection& operator=(RawConnection&& other) noexcept;
  ~RawConnection();

  // Sends as much of `bytes` as the system takes at once. Returns how many bytes that were; 0 if the server has closed
  // the connection.
  size_t Send(const std::string& bytes);

  // Returns what has come so far, "" if nothing has.
  std::string Receive();

  // Waits until the server has sent `part` or closed the connection. Returns whether `part` came within `timeout`.
  bool WaitFor(const std::string& part, absl::Duration timeout);

  // Whether the server has closed the connection.
  bool is_closed() const { return is_closed_; }

 private:
  int socket_ = -1;
  bool is_closed_ = false;
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_RELIABILITY_RAW_CONNECTION_H_
