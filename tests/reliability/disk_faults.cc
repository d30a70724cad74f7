#include "tests/reliability/disk_faults.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

constexpr char kLibrary[] = "tests/reliability/libdisk_faults_preload.so";

constexpr char kBallast[] = "/ballast";

// Mounts that this process makes are seen by nobody else. One who is not root becomes it, in a namespace of users.
bool EnterNamespaceOfMounts() {
  const uid_t user = getuid();
  const gid_t group = getgid();
  if (unshare(CLONE_NEWNS) != 0) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return false;
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
    std::ofstream("/proc/self/gid_map") << "0 " << group << " 1";
  }
  return mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

}  // namespace

std::string ToString(DiskFault fault) {
  switch (fault) {
    case DiskFault::kNone:
      return "the disk is well";
    case DiskFault::kFull:
      return "the disk is full";
    case DiskFault::kReadOnly:
      return "the disk is read-only";
    case DiskFault::kWriteError:
      return "writes fail";
    case DiskFault::kFlushError:
      return "flushes fail";
    case DiskFault::kReadError:
      return "reads fail";
  }
  return "";
}

DiskFaults::DiskFaults(const std::string& folder) {
  const std::string control = control_folder_.path() + "/fault";
  std::ofstream(control) << '\0';
  const int file = open(control.c_str(), O_RDWR | O_CLOEXEC);
  EXPECT_GE(file, 0);
  void* page = mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  EXPECT_NE(page, MAP_FAILED);
  close(file);
  control_ = static_cast<char*>(page);
  setenv("GREENPLAN_DISK_FAULT", control.c_str(), 1);
  setenv("GREENPLAN_FAULTY_FOLDER", std::filesystem::canonical(folder).c_str(), 1);
  setenv("LD_PRELOAD", std::filesystem::absolute(kLibrary).c_str(), 1);
}

DiskFaults::~DiskFaults() {
  for (const char* name : {"LD_PRELOAD", "GREENPLAN_FAULTY_FOLDER", "GREENPLAN_DISK_FAULT"}) unsetenv(name);
  munmap(control_, 1);
}

void DiskFaults::Set(DiskFault fault) { __atomic_store_n(control_, static_cast<char>(fault), __ATOMIC_SEQ_CST); }

SmallDisk::SmallDisk(int64_t num_bytes) {
  if (!EnterNamespaceOfMounts()) return;
  const std::string options = "size=" + std::to_string(num_bytes);
  is_mounted_ = mount("none", path().c_str(), "tmpfs", 0, options.c_str()) == 0;
}

SmallDisk::~SmallDisk() {
  if (is_mounted_) {
    EXPECT_EQ(umount(path().c_str()), 0);
  }
}

void SmallDisk::Fill() {
  std::ofstream ballast(path() + kBallast);
  const std::string page(4096, 'x');
  while (ballast.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) {
  }
}

void SmallDisk::Clear() { std::filesystem::remove(path() + kBallast); }

bool SmallDisk::SetReadOnly(bool is_read_only) {
  return mount("none", path().c_str(), "tmpfs", MS_REMOUNT | (is_read_only ? MS_RDONLY : 0), nullptr) == 0;
}

}  // namespace greenplan
