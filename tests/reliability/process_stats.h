#ifndef GREENPLAN_TESTS_RELIABILITY_PROCESS_STATS_H_
#define GREENPLAN_TESTS_RELIABILITY_PROCESS_STATS_H_

#include <sys/types.h>

#include <cstdint>

namespace greenplan {

// What a running process uses, as Linux counts it in /proc. Each fails the test and returns 0 if there is no such
// process. Thread-safe.

// Resident memory now, and the most since the process started.
int64_t ResidentBytes(pid_t process);
int64_t PeakResidentBytes(pid_t process);

int64_t CountThreads(pid_t process);
int64_t CountDescriptors(pid_t process);

// Lets the process have at most `count` descriptors (RLIMIT_NOFILE, the soft limit). Returns what it might have before.
int64_t SetDescriptorLimit(pid_t process, int64_t count);

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_RELIABILITY_PROCESS_STATS_H_
