#include "benchmarks/service/server_process.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "benchmarks/service/check.h"
#include "tests/service/http_get.h"

namespace greenplan {
namespace {

constexpr char kHttpPortFile[] = "/http_port";

// This program is bazel-bin/benchmarks/service/service.
std::filesystem::path BazelBin() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path().parent_path();
}

}  // namespace

BenchmarkFolder::BenchmarkFolder() : path_(std::filesystem::current_path() / "service_benchmark_XXXXXX") {
  Check(mkdtemp(path_.data()) != nullptr, path_ + " cannot be made");
}

BenchmarkFolder::~BenchmarkFolder() { std::filesystem::remove_all(path_); }

ServerProcess ServerProcess::Greenpland(const std::string& uri) {
  return ServerProcess("planner/daemon/greenpland",
                       {"--store", uri, "--listen", "127.0.0.1:0", "--http-listen", "127.0.0.1:0", "--port-file",
                        "PORT_FILE", "--http-port-file", "HTTP_PORT_FILE", "--log-level", "error"});
}

ServerProcess ServerProcess::Empty() { return ServerProcess("benchmarks/service/empty_server", {"PORT_FILE"}); }

ServerProcess::ServerProcess(const std::string& program, std::vector<std::string> arguments) {
  const std::string path = BazelBin() / program;
  const std::string port_file = folder_.path() + "/port";
  std::vector<char*> argv = {const_cast<char*>(path.c_str())};
  for (std::string& argument : arguments) {
    if (argument == "PORT_FILE") argument = port_file;
    if (argument == "HTTP_PORT_FILE") argument = folder_.path() + kHttpPortFile;
    argv.push_back(argument.data());
  }
  argv.push_back(nullptr);
  pid_ = fork();
  Check(pid_ >= 0, "fork has failed");
  if (pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // Servers do not outlive a benchmark that is interrupted.
    execv(path.c_str(), argv.data());
    _exit(127);
  }
  address_ = absl::StrCat("127.0.0.1:", ReadPort(port_file));
}

ServerProcess::~ServerProcess() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

double ServerProcess::CpuSeconds() const {
  clockid_t clock;
  timespec time;
  Check(clock_getcpuclockid(pid_, &clock) == 0 && clock_gettime(clock, &time) == 0, "a server has ended");
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

int64_t ServerProcess::MemoryBytes() const {
  std::ifstream file(absl::StrCat("/proc/", pid_, "/statm"));
  int64_t total_pages = 0;
  int64_t resident_pages = 0;
  file >> total_pages >> resident_pages;
  Check(resident_pages > 0, "a server has ended");
  return resident_pages * sysconf(_SC_PAGESIZE);
}

int64_t ServerProcess::NumStoreCalls(const std::string& method) const {
  const std::string series =
      absl::StrCat("greenplan_store_duration_seconds_count{code=\"OK\",method=\"", method, "\"}");
  const std::string metrics = HttpGet(ReadPort(folder_.path() + kHttpPortFile), "/metrics");
  for (absl::string_view line : absl::StrSplit(metrics, absl::ByAnyChar("\r\n"))) {
    int64_t count = 0;
    if (absl::ConsumePrefix(&line, series) && absl::SimpleAtoi(line, &count)) return count;
  }
  return 0;
}

int ServerProcess::ReadPort(const std::string& file) const {
  const absl::Time deadline = absl::Now() + absl::Seconds(60);
  while (absl::Now() < deadline) {
    std::ifstream in(file);
    std::string line;
    int port = 0;
    if (std::getline(in, line) && !in.eof() && absl::SimpleAtoi(line, &port)) return port;
    Check(waitpid(pid_, nullptr, WNOHANG) == 0, "a server has ended before it served");
    absl::SleepFor(absl::Milliseconds(5));
  }
  Check(false, "a server does not serve");
  return 0;
}

}  // namespace greenplan
