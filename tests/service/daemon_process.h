#ifndef GREENPLAN_TESTS_SERVICE_DAEMON_PROCESS_H_
#define GREENPLAN_TESTS_SERVICE_DAEMON_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

#include "tests/service/watched_file.h"

namespace greenplan {

// A new, empty folder. The destructor removes it with everything in it.
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

// Runs the real greenpland as a process. The destructor kills the process if it still runs.
class DaemonProcess {
 public:
  // Starts greenpland with `arguments`.
  explicit DaemonProcess(const std::vector<std::string>& arguments);
  ~DaemonProcess();
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  // Sends a signal to the process.
  void Signal(int signal) const;
  // Waits until the process ends. Returns its exit code, or the negative number of the signal that ended it.
  int Wait();
  // Return what the process has written to stderr and to stdout. Call them after Wait().
  std::string errors() const;
  std::string output() const;

  pid_t pid() const { return pid_; }

 private:
  const TemporaryFolder folder_;
  pid_t pid_ = -1;
};

// Runs a greenpland on a free port, unless the flags have another --listen. It answers calls once the constructor has
// returned.
class ServingDaemon {
 public:
  // Serves `data_dir`. `flags` are further ones.
  explicit ServingDaemon(const std::string& data_dir, const std::vector<std::string>& flags = {});
  // Serves the store of `uri`.
  static ServingDaemon OnStore(const std::string& uri, const std::vector<std::string>& flags = {});

  // Like the constructor, but a daemon that ends before it serves does not fail the test.
  static ServingDaemon Try(const std::string& data_dir, const std::vector<std::string>& flags = {});

  // Returns "127.0.0.1:PORT". The address is empty if the daemon ended before it served; then the test has failed, or
  // Try has been used and process().Wait() is to be called.
  const std::string& address() const { return address_; }
  // The port of /metrics, /livez and /readyz. REQUIRES: no flag says --http-listen.
  int http_port() const;
  DaemonProcess& process() { return process_; }
  const DaemonProcess& process() const { return process_; }

 private:
  // `store` is the flag that names the store, and its value.
  ServingDaemon(const std::vector<std::string>& store, const std::vector<std::string>& flags, bool must_serve = true);
  std::string WaitForAddress(bool must_serve) const;

  const TemporaryFolder folder_;
  const WatchedFile port_file_;  // This must be set up before the daemon starts, or events would be missed.
  DaemonProcess process_;
  const std::string address_;
};

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_SERVICE_DAEMON_PROCESS_H_
