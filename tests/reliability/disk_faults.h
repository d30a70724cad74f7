#ifndef GREENPLAN_TESTS_RELIABILITY_DISK_FAULTS_H_
#define GREENPLAN_TESTS_RELIABILITY_DISK_FAULTS_H_

#include <string>

#include "tests/service/daemon_process.h"

namespace greenplan {

enum class DiskFault : char {
  kNone = 0,
  kFull = 'F',        // Writes fail with ENOSPC.
  kReadOnly = 'O',    // Writes, and opening a file for writing, fail with EROFS.
  kWriteError = 'W',  // Writes and flushes fail with EIO.
  kFlushError = 'S',  // Flushes (fsync) fail with EIO.
  kReadError = 'R',   // Reads fail with EIO.
};

// In words, as for "while ...".
std::string ToString(DiskFault fault);

// Makes the file operations below `folder` fail in every program that is started while this object lives, by a library
// that is preloaded into it. No fault at first. Only one object may live at a time; it belongs to the thread that
// starts the programs.
class DiskFaults {
 public:
  explicit DiskFaults(const std::string& folder);
  ~DiskFaults();
  DiskFaults(const DiskFaults&) = delete;
  DiskFaults& operator=(const DiskFaults&) = delete;

  // From now on, in programs that run already too. Safe to use from any thread.
  void Set(DiskFault fault);

 private:
  const TemporaryFolder control_folder_;
  char* control_ = nullptr;  // Shared with the programs.
};

// A small file system of its own, whose space can be used up.
//
//   SmallDisk disk;
//   if (!disk.is_there()) GTEST_SKIP() << "no file system can be mounted here";
//
// It is mounted for this process and those that it starts alone. Belongs to one thread, which starts them.
class SmallDisk {
 public:
  // Tries to mount it, with room for `num_bytes`.
  explicit SmallDisk(int64_t num_bytes);
  // Removes it. REQUIRES: no process uses it.
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool is_there() const { return is_mounted_; }
  const std::string& path() const { return folder_.path(); }

  // Uses up all room that is left; gives it back.
  void Fill();
  void Clear();
  // Lets files be changed or not. Returns whether that was possible: not while a file is open for writing.
  bool SetReadOnly(bool is_read_only);

 private:
  const TemporaryFolder folder_;
  bool is_mounted_ = false;
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_RELIABILITY_DISK_FAULTS_H_
