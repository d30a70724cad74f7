#ifndef GREENPLAN_PLANNER_CLIENT_CONNECTION_CONFORMANCE_H_
#define GREENPLAN_PLANNER_CLIENT_CONNECTION_CONFORMANCE_H_

#include <functional>
#include <memory>

#include "gtest/gtest.h"
#include "planner/client/connection.h"

namespace greenplan {

// What every Connection does, whatever it reaches. A driver's test instantiates the suite:
//
//   INSTANTIATE_TEST_SUITE_P(Local, ConnectionConformanceTest, ::testing::Values(MakeConnection));
//
// The parameter makes a connection to a planner that knows no job yet.
class ConnectionConformanceTest : public ::testing::TestWithParam<std::function<std::unique_ptr<Connection>()>> {
 protected:
  ConnectionConformanceTest() : connection_(GetParam()()) {}

  const std::unique_ptr<Connection> connection_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLIENT_CONNECTION_CONFORMANCE_H_
