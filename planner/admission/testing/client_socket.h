#ifndef GREENPLAN_PLANNER_ADMISSION_TESTING_CLIENT_SOCKET_H_
#define GREENPLAN_PLANNER_ADMISSION_TESTING_CLIENT_SOCKET_H_

#include <string>
#include <utility>

namespace greenplan {

// The client's end of a TCP connection to this machine, for tests of what happens below gRPC. It blocks. Movable;
// closes the connection when it is destroyed. Not thread-safe.
class ClientSocket {
 public:
  // Connects to 127.0.0.1:`port`. If the connection is refused, the result is not open.
  static ClientSocket Connect(int port);

  ClientSocket(ClientSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ClientSocket& operator=(ClientSocket&& other) noexcept;
  ~ClientSocket() { Close(); }

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  // Sends all bytes. A connection that the other end has closed is no error.
  void Send(const std::string& bytes) const;
  // Waits until the other end closes the connection. Returns what it sent before.
  std::string ReadToEnd() const;
  // Closes the connection; does nothing if it is not open.
  void Close();

 private:
  explicit ClientSocket(int fd) : fd_(fd) {}

  int fd_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_ADMISSION_TESTING_CLIENT_SOCKET_H_
