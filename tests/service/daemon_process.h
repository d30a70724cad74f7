#ifndef GREENPLAN_TESTS_SERVICE_DAEMON_PROCESS_H_
#define GREENPLAN_TESTS_SERVICE_DAEMON_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/service/watched_file.h"

namespace greenplan {

// A folder of its own, removed with it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The real greenpland in a process of its own; killed by the destructor if it still runs.
class DaemonProcess {
 public:
  // Runs greenpland with `arguments`.
  explicit DaemonProcess(const std::vector<std::string>& arguments);
  ~DaemonProcess();
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  void Signal(int signal) const;
  // Waits for its end. Answers the exit code, or minus the signal that ended it.
  int Wait();
  // What it has written to stderr, stdout. Call after Wait.
  std::string errors() const;
  std::string output() const;

  pid_t pid() const { return pid_; }

 private:
  const TemporaryFolder folder_;
  pid_t pid_ = -1;
};

// A greenpland on a free port that serves `data_dir`. Once constructed, it answers calls.
class ServingDaemon {
 public:
  explicit ServingDaemon(const std::string& data_dir);

  // "127.0.0.1:PORT"; a failed test and empty if the daemon has ended instead.
  const std::string& address() const { return address_; }
  DaemonProcess& process() { return process_; }

 private:
  std::string WaitForAddress() const;

  const TemporaryFolder folder_;
  const WatchedFile port_file_;  // Set up before the daemon starts, so that no event is missed.
  DaemonProcess process_;
  const std::string address_;
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_SERVICE_DAEMON_PROCESS_H_
