#include "planner/store/postgres/testing/unprivileged_process.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>

namespace greenplan {
namespace {

// What a child process does between fork and exec. Only calls that are safe in the child of a program with several
// threads are used, so everything that allocates has been prepared.
struct Launch {
  char* const* argv;
  const char* log;
  bool maps_user;        // The child is in a new user namespace.
  const char* user_map;  // "1000 UID 1"
  const char* group_map;
  bool changes_user;  // To `user` and `group`.
  uid_t user;
  gid_t group;
};

void WriteTo(const char* path, const char* text) {
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0 || write(file, text, strlen(text)) < 0) _exit(126);
  close(file);
}

[[noreturn]] void RunChild(const Launch& launch) {
  if (launch.maps_user) {
    WriteTo("/proc/self/setgroups", "deny");
    WriteTo("/proc/self/uid_map", launch.user_map);
    WriteTo("/proc/self/gid_map", launch.group_map);
  }
  const int log = open(launch.log, O_WRONLY | O_CREAT | O_APPEND, 0644);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  if (launch.changes_user) {
    if (setgid(launch.group) != 0 || setuid(launch.user) != 0) _exit(126);
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  execv(launch.argv[0], launch.argv);
  _exit(127);
}

// As fork, into new namespaces.
pid_t Clone(int namespaces) {
  return static_cast<pid_t>(syscall(SYS_clone, namespaces | SIGCHLD, nullptr, nullptr, nullptr, nullptr));
}

void HandOver(const std::string& folder, const Launch& launch) {
  if (chown(folder.c_str(), launch.user, launch.group) != 0) abort();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (lchown(entry.path().c_str(), launch.user, launch.group) != 0) abort();
  }
}

}  // namespace

pid_t StartUnprivileged(const std::vector<std::string>& arguments, const std::string& folder, const std::string& log) {
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const std::string user_map = "1000 " + std::to_string(geteuid()) + " 1";
  const std::string group_map = "1000 " + std::to_string(getegid()) + " 1";
  Launch launch = {.argv = argv.data(),
                   .log = log.c_str(),
                   .maps_user = true,
                   .user_map = user_map.c_str(),
                   .group_map = group_map.c_str()};

  pid_t pid = Clone(CLONE_NEWUSER | CLONE_NEWPID);
  if (pid == 0) RunChild(launch);
  if (pid > 0) return pid;

  launch.maps_user = false;
  if (geteuid() == 0) {
    const passwd* nobody = getpwnam("nobody");
    launch.changes_user = true;
    launch.user = nobody != nullptr ? nobody->pw_uid : 65534;
    launch.group = nobody != nullptr ? nobody->pw_gid : 65534;
    HandOver(folder, launch);
  }
  pid = Clone(CLONE_NEWPID);
  if (pid < 0) pid = Clone(0);
  if (pid == 0) RunChild(launch);
  return pid;
}

}  // namespace greenplan
