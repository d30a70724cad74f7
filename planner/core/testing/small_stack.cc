#include "planner/core/testing/small_stack.h"

#include <pthread.h>

#include "absl/base/macros.h"

namespace greenplan {
namespace {

constexpr size_t kStackBytes = 256 << 10;

void* Call(void* what) {
  (*static_cast<const std::function<void()>*>(what))();
  return nullptr;
}

}  // namespace

void RunOnSmallStack(const std::function<void()>& what) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  const int is_refused = pthread_attr_setstacksize(&attributes, kStackBytes);
  pthread_t thread;
  const int is_missing = pthread_create(&thread, &attributes, Call, const_cast<void*>(static_cast<const void*>(&what)));
  pthread_attr_destroy(&attributes);
  ABSL_ASSERT(is_refused == 0 && is_missing == 0);
  pthread_join(thread, nullptr);
}

}  // namespace greenplan
