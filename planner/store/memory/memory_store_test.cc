#include "planner/store/memory/memory_store.h"

#include <functional>
#include <memory>

#include "gtest/gtest.h"
#include "planner/store/testing/store_conformance.h"

namespace greenplan {
namespace {

class MemoryMedium : public StoreMedium {
 public:
  std::unique_ptr<Store> Open() override { return NewMemoryStore(); }
  bool is_durable() const override { return false; }
};

std::unique_ptr<StoreMedium> NewMemoryMedium() { return std::make_unique<MemoryMedium>(); }

INSTANTIATE_TEST_SUITE_P(Memory, StoreConformanceTest, ::testing::Values(std::function(NewMemoryMedium)));

}  // namespace
}  // namespace greenplan
