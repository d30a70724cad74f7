#ifndef GREENPLAN_BENCHMARKS_SERVICE_SERVER_PROCESS_H_
#define GREENPLAN_BENCHMARKS_SERVICE_SERVER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace greenplan {

// A new, empty folder on the disk of the current one, which may be another than that of /tmp. The destructor removes
// it.
class BenchmarkFolder {
 public:
  BenchmarkFolder();
  ~BenchmarkFolder();
  BenchmarkFolder(const BenchmarkFolder&) = delete;
  BenchmarkFolder& operator=(const BenchmarkFolder&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// A server that runs as a process of its own, so that what it takes is told apart from what its clients take. The
// constructors return once it answers calls; the destructor kills it.
class ServerProcess {
 public:
  // A greenpland over the store of `uri`, such as "memory:".
  static ServerProcess Greenpland(const std::string& uri);
  // empty_server.cc.
  static ServerProcess Empty();
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // "127.0.0.1:PORT".
  const std::string& address() const { return address_; }

  // Processor time that all its threads have taken so far.
  double CpuSeconds() const;
  // What it holds in memory now.
  int64_t MemoryBytes() const;
  // How many calls of this method its store has answered with OK. Greenpland only.
  int64_t NumStoreCalls(const std::string& method) const;

 private:
  // Runs `program`, named by its path below bazel-bin, with `arguments` and the names of port files in place of
  // "PORT_FILE" and "HTTP_PORT_FILE".
  ServerProcess(const std::string& program, std::vector<std::string> arguments);
  // Waits for a port file.
  int ReadPort(const std::string& file) const;

  const BenchmarkFolder folder_;
  pid_t pid_ = -1;
  std::string address_;
};

}  // namespace greenplan

#endif  // GREENPLAN_BENCHMARKS_SERVICE_SERVER_PROCESS_H_
