#ifndef GREENPLAN_TESTS_SERVICE_RESERVED_PORT_H_
#define GREENPLAN_TESTS_SERVICE_RESERVED_PORT_H_

#include <string>

namespace greenplan {

// A free port of 127.0.0.1 for a server that is started again and again, so that its clients find it where it was.
// While this object lives, the system gives the port to nobody who asks for any free one, and no client connects from
// it.
//
//   const ReservedPort port;
//   ServingDaemon daemon(data_dir, {"--listen", port.address()});
class ReservedPort {
 public:
  ReservedPort();
  ~ReservedPort();
  ReservedPort(const ReservedPort&) = delete;
  ReservedPort& operator=(const ReservedPort&) = delete;

  // "127.0.0.1:PORT".
  const std::string& address() const { return address_; }

 private:
  const int socket_;
  std::string address_;
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_SERVICE_RESERVED_PORT_H_
