#ifndef GREENPLAN_PLANNER_ADMISSION_TESTING_CLIENT_SOCKET_H_
#define GREENPLAN_PLANNER_ADMISSION_TESTING_CLIENT_SOCKET_H_

#include <string>
#include <utility>

namespace greenplan {

// The client's end of a TCP connection to this machine, as a client that no library helps. Movable; closes itself.
class ClientSocket {
 public:
  // Not open if the connection is refused.
  static ClientSocket Connect(int port);

  ClientSocket(ClientSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ClientSocket& operator=(ClientSocket&& other) noexcept;
  ~ClientSocket() { Close(); }

  bool is_open() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  void Send(const std::string& bytes) const;
  // Waits for the other end to close the connection, and returns what it sent before.
  std::string ReadToEnd() const;
  void Close();

 private:
  explicit ClientSocket(int fd) : fd_(fd) {}

  int fd_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_ADMISSION_TESTING_CLIENT_SOCKET_H_
