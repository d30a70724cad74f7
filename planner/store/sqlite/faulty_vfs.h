#ifndef GREENPLAN_PLANNER_STORE_SQLITE_FAULTY_VFS_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_FAULTY_VFS_H_

#include <cstdint>

namespace greenplan {

// Makes SQLite's file operations fail in a test. While an object of this class lives, every database that is opened
// uses it, and it uses the real files. One counter, from 0, counts the calls that change a file or flush it to the disk
// (write, truncate, sync). Only one object may live at a time. Not thread-safe.
class FaultyVfs {
 public:
  FaultyVfs();
  // REQUIRES: all databases that were opened in the meantime are closed.
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

  // Which calls fail, and how.
  struct Fault {
    int64_t at = 0;            // The count of the call that fails, from now on.
    int code = 0;              // What SQLite is told, such as SQLITE_FULL.
    bool goes_on = false;      // Whether all later ones fail too, as on a full disk.
    bool writes_half = false;  // Whether a write that fails has written half of its bytes.
  };
  // Makes calls fail from now on as `fault` says, and starts to count at 0.
  void Arm(const Fault& fault);
  // Lets all calls succeed again.
  void Disarm();
  // Returns how many calls there have been since Arm.
  int64_t num_calls() const;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_FAULTY_VFS_H_
