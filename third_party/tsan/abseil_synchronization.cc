// Debian's Abseil is not instrumented. ThreadSanitizer therefore does not see how absl::Mutex, absl::CondVar and
// absl::Notification synchronise threads, and it would report a race wherever one of them protects data. These wrappers
// tell it. They are linked into every program of `./dev tsan` with --wrap (.bazelrc).

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

extern "C" {

void __tsan_acquire(void* address);
void __tsan_release(void* address);

// These are the mangled names of member functions in Debian's Abseil, such as absl::debian3::Mutex::Lock().
void __real__ZN4absl7debian35Mutex4LockEv(absl::Mutex* mutex);
void __wrap__ZN4absl7debian35Mutex4LockEv(absl::Mutex* mutex) {
  __real__ZN4absl7debian35Mutex4LockEv(mutex);
  __tsan_acquire(mutex);
}

void __real__ZN4absl7debian35Mutex6UnlockEv(absl::Mutex* mutex);
void __wrap__ZN4absl7debian35Mutex6UnlockEv(absl::Mutex* mutex) {
  __tsan_release(mutex);
  __real__ZN4absl7debian35Mutex6UnlockEv(mutex);
}

void __real__ZN4absl7debian37CondVar4WaitEPNS0_5MutexE(absl::CondVar* condition, absl::Mutex* mutex);
void __wrap__ZN4absl7debian37CondVar4WaitEPNS0_5MutexE(absl::CondVar* condition, absl::Mutex* mutex) {
  __tsan_release(mutex);
  __real__ZN4absl7debian37CondVar4WaitEPNS0_5MutexE(condition, mutex);
  __tsan_acquire(mutex);
}

void __real__ZN4absl7debian312Notification6NotifyEv(absl::Notification* notification);
void __wrap__ZN4absl7debian312Notification6NotifyEv(absl::Notification* notification) {
  __tsan_release(notification);
  __real__ZN4absl7debian312Notification6NotifyEv(notification);
}

void __real__ZNK4absl7debian312Notification19WaitForNotificationEv(const absl::Notification* notification);
void __wrap__ZNK4absl7debian312Notification19WaitForNotificationEv(const absl::Notification* notification) {
  __real__ZNK4absl7debian312Notification19WaitForNotificationEv(notification);
  __tsan_acquire(const_cast<absl::Notification*>(notification));
}

}  // extern "C"
