#include "tests/service/daemon_process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

constexpr char kGreenpland[] = "planner/daemon/greenpland";

// In the child, between fork and exec.
void Redirect(int descriptor, const std::string& path) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  dup2(file, descriptor);
  close(file);
}

std::vector<std::string> Append(std::vector<std::string> arguments, const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

// Where to serve, unless `flags` say it.
std::vector<std::string> DefaultAddresses(const std::vector<std::string>& flags) {
  std::vector<std::string> arguments;
  for (const char* flag : {"--listen", "--http-listen"}) {
    if (std::find(flags.begin(), flags.end(), flag) != flags.end()) continue;
    arguments.push_back(flag);
    arguments.push_back("127.0.0.1:0");
  }
  return arguments;
}

}  // namespace

TemporaryFolder::TemporaryFolder() : path_(::testing::TempDir() + "/daemon_XXXXXX") {
  EXPECT_NE(mkdtemp(path_.data()), nullptr);
}

TemporaryFolder::~TemporaryFolder() { std::filesystem::remove_all(path_); }

DaemonProcess::DaemonProcess(const std::vector<std::string>& arguments) {
  std::vector<char*> argv = {const_cast<char*>(kGreenpland)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    Redirect(STDERR_FILENO, folder_.path() + "/stderr");
    Redirect(STDOUT_FILENO, folder_.path() + "/stdout");
    execv(kGreenpland, argv.data());
    _exit(127);
  }
}

DaemonProcess::~DaemonProcess() {
  if (pid_ < 0) return;
  Signal(SIGKILL);
  Wait();
}

void DaemonProcess::Signal(int signal) const { ASSERT_EQ(kill(pid_, signal), 0); }

int DaemonProcess::Wait() {
  int status = 0;
  EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string DaemonProcess::errors() const { return ReadAll(folder_.path() + "/stderr"); }
std::string DaemonProcess::output() const { return ReadAll(folder_.path() + "/stdout"); }

ServingDaemon::ServingDaemon(const std::string& data_dir, const std::vector<std::string>& flags)
    : ServingDaemon(std::vector<std::string>{"--data-dir", data_dir}, flags) {}

ServingDaemon::ServingDaemon(const std::vector<std::string>& store, const std::vector<std::string>& flags,
                             bool must_serve)
    : port_file_(folder_.path(), "port"),
      process_(Append(Append(Append(DefaultAddresses(flags), {"--port-file", folder_.path() + "/port",
                                                              "--http-port-file", folder_.path() + "/http-port"}),
                             store),
                      flags)),
      address_(WaitForAddress(must_serve)) {}

ServingDaemon ServingDaemon::Try(const std::string& data_dir, const std::vector<std::string>& flags) {
  return ServingDaemon(std::vector<std::string>{"--data-dir", data_dir}, flags, /*must_serve=*/false);
}

ServingDaemon ServingDaemon::OnStore(const std::string& uri, const std::vector<std::string>& flags) {
  return ServingDaemon(std::vector<std::string>{"--store", uri}, flags);
}

int ServingDaemon::http_port() const { return std::stoi(ReadAll(folder_.path() + "/http-port")); }

std::string ServingDaemon::WaitForAddress(bool must_serve) const {
  const int process = static_cast<int>(syscall(SYS_pidfd_open, process_.pid(), 0));
  EXPECT_GE(process, 0);
  const std::string port = port_file_.WaitForContent(process);
  close(process);
  if (port.empty()) {
    if (must_serve) ADD_FAILURE() << "greenpland has ended: " << process_.errors();
    return "";
  }
  return "127.0.0.1:" + port.substr(0, port.find('\n'));
}

}  // namespace greenplan
