#ifndef GREENPLAN_TESTS_SERVICE_RESERVED_PORT_H_
#define GREENPLAN_TESTS_SERVICE_RESERVED_PORT_H_

#include <string>

namespace greenplan {

// A free port of 127.0.0.1 that the system gives to nobody else as long as this exists. A server that asks for the port
// by its number and sets SO_REUSEADDR, as greenpland does, can listen on it, end, and listen on it again.
class ReservedPort {
 public:
  ReservedPort();
  ~ReservedPort();
  ReservedPort(const ReservedPort&) = delete;
  ReservedPort& operator=(const ReservedPort&) = delete;

  // Returns "127.0.0.1:PORT".
  const std::string& address() const { return address_; }

 private:
  int socket_ = -1;
  std::string address_;
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_SERVICE_RESERVED_PORT_H_
