#ifndef GREENPLAN_TESTS_SERVICE_HTTP_GET_H_
#define GREENPLAN_TESTS_SERVICE_HTTP_GET_H_

#include <string>

namespace greenplan {

// Returns what an HTTP server on `port` of 127.0.0.1 answers to "GET path", head and body; "" if nobody listens.
std::string HttpGet(int port, const std::string& path);

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_SERVICE_HTTP_GET_H_
