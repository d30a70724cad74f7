// A library to be preloaded into a program (LD_PRELOAD): file operations below the folder GREENPLAN_FAULTY_FOLDER fail
// as the first byte of the file GREENPLAN_DISK_FAULT says, which may change at any time: disk_faults.h.

#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

namespace {

// DiskFault's letters.
constexpr char kFull = 'F';
constexpr char kReadOnly = 'O';
constexpr char kWriteError = 'W';
constexpr char kFlushError = 'S';
constexpr char kReadError = 'R';

template <typename Function>
Function* Real(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

// The file is mapped, so that a look at it is no system call.
char CurrentFault() {
  static const volatile char* const fault = [] {
    static const char none = 0;
    const char* path = getenv("GREENPLAN_DISK_FAULT");
    const int file = path == nullptr ? -1 : Real<int(const char*, int, ...)>("open64")(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return &none;
    void* page = mmap(nullptr, 1, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    return page == MAP_FAILED ? &none : static_cast<const char*>(page);
  }();
  return *fault;
}

bool IsBelowFolder(const char* path) {
  const char* folder = getenv("GREENPLAN_FAULTY_FOLDER");
  return folder != nullptr && strncmp(path, folder, strlen(folder)) == 0;
}

bool IsBelowFolder(int file) {
  char link[40];
  char path[4096];
  snprintf(link, sizeof(link), "/proc/self/fd/%d", file);
  const ssize_t size = readlink(link, path, sizeof(path) - 1);
  if (size < 0) return false;
  path[size] = '\0';
  return IsBelowFolder(path);
}

// What a change of a file's content fails with, or 0.
int ErrorOfWrite() {
  switch (CurrentFault()) {
    case kFull:
      return ENOSPC;
    case kReadOnly:
      return EROFS;
    case kWriteError:
      return EIO;
    default:
      return 0;
  }
}

int ErrorOfFlush() { return CurrentFault() == kFlushError || CurrentFault() == kWriteError ? EIO : 0; }
int ErrorOfRead() { return CurrentFault() == kReadError ? EIO : 0; }

bool Fails(int error, int file) {
  if (error == 0 || !IsBelowFolder(file)) return false;
  errno = error;
  return true;
}

}  // namespace

extern "C" {

ssize_t write(int file, const void* bytes, size_t size) {
  static auto* const real = Real<ssize_t(int, const void*, size_t)>("write");
  return Fails(ErrorOfWrite(), file) ? -1 : real(file, bytes, size);
}

ssize_t pwrite64(int file, const void* bytes, size_t size, off64_t offset) {
  static auto* const real = Real<ssize_t(int, const void*, size_t, off64_t)>("pwrite64");
  return Fails(ErrorOfWrite(), file) ? -1 : real(file, bytes, size, offset);
}

int ftruncate64(int file, off64_t size) {
  static auto* const real = Real<int(int, off64_t)>("ftruncate64");
  return Fails(ErrorOfWrite(), file) ? -1 : real(file, size);
}

int fsync(int file) {
  static auto* const real = Real<int(int)>("fsync");
  return Fails(ErrorOfFlush(), file) ? -1 : real(file);
}

int fdatasync(int file) {
  static auto* const real = Real<int(int)>("fdatasync");
  return Fails(ErrorOfFlush(), file) ? -1 : real(file);
}

ssize_t read(int file, void* bytes, size_t size) {
  static auto* const real = Real<ssize_t(int, void*, size_t)>("read");
  return Fails(ErrorOfRead(), file) ? -1 : real(file, bytes, size);
}

ssize_t pread64(int file, void* bytes, size_t size, off64_t offset) {
  static auto* const real = Real<ssize_t(int, void*, size_t, off64_t)>("pread64");
  return Fails(ErrorOfRead(), file) ? -1 : real(file, bytes, size, offset);
}

// A disk that is read-only lets no file be opened for writing.
int open64(const char* path, int flags, ...) {
  static auto* const real = Real<int(const char*, int, ...)>("open64");
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  if ((flags & O_ACCMODE) != O_RDONLY && CurrentFault() == kReadOnly && IsBelowFolder(path)) {
    errno = EROFS;
    return -1;
  }
  return real(path, flags, mode);
}

}  // extern "C"
