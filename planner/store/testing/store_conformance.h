#ifndef GREENPLAN_PLANNER_STORE_TESTING_STORE_CONFORMANCE_H_
#define GREENPLAN_PLANNER_STORE_TESTING_STORE_CONFORMANCE_H_

#include <functional>
#include <memory>

#include "gtest/gtest.h"
#include "planner/store/store.h"

namespace greenplan {

// Where a driver under test keeps its data, such as a temporary file: empty at first, removed by the destructor.
class StoreMedium {
 public:
  virtual ~StoreMedium() = default;
  // Opens the store. Never returns null; a failure to open is reported as a failed test.
  virtual std::unique_ptr<Store> Open() = 0;
  // Returns whether the next store that is opened finds what one store kept.
  virtual bool is_durable() const = 0;
};

// What every driver does. A driver's test instantiates the suite with a function that makes a new medium:
//
//   INSTANTIATE_TEST_SUITE_P(Memory, StoreConformanceTest, ::testing::Values(std::function(NewMemoryMedium)));
class StoreConformanceTest : public ::testing::TestWithParam<std::function<std::unique_ptr<StoreMedium>()>> {
 protected:
  StoreConformanceTest() : medium_(GetParam()()), store_(medium_->Open()) {}

  const std::unique_ptr<StoreMedium> medium_;
  std::unique_ptr<Store> store_;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_TESTING_STORE_CONFORMANCE_H_
