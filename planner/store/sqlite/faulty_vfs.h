#ifndef GREENPLAN_PLANNER_STORE_SQLITE_FAULTY_VFS_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_FAULTY_VFS_H_

#include <cstdint>

namespace greenplan {

// SQLite's interface to the operating system with faults, for tests. While one of these lives, databases that are
// opened go through it to the real files. Calls that change a file or ask for it to be durable (write, truncate, sync)
// are counted from 0 together. One at a time; not thread-safe.
class FaultyVfs {
 public:
  FaultyVfs();
  // Databases that were opened meanwhile must be closed.
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

  struct Fault {
    int64_t at = 0;            // The count of the call that fails, from now on.
    int code = 0;              // What SQLite is told, such as SQLITE_FULL.
    bool goes_on = false;      // Whether all later ones fail too, as on a full disk.
    bool writes_half = false;  // Whether a write that fails has written half of its bytes.
  };
  void Arm(const Fault& fault);
  void Disarm();
  // How many calls there have been since Arm.
  int64_t num_calls() const;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_FAULTY_VFS_H_
