#include "planner/store/sqlite/faulty_vfs.h"

#include <sqlite3.h>

#include <limits>

namespace greenplan {
namespace {

constexpr FaultyVfs::Fault kNoFault = {.at = std::numeric_limits<int64_t>::max()};

// SQLite hands out no context with its calls, so what they share is here.
struct Shared {
  sqlite3_vfs* real = nullptr;
  sqlite3_vfs faulty = {};
  FaultyVfs::Fault fault = kNoFault;
  int64_t num_calls = 0;
};
Shared shared;

// SQLite allocates a file as szOsFile bytes; the real one's lie behind this.
struct File {
  sqlite3_file base;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

sqlite3_file* Real(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real(); }

bool Fails() {
  const int64_t index = shared.num_calls++;
  return index == shared.fault.at || (shared.fault.goes_on && index > shared.fault.at);
}

int Write(sqlite3_file* file, const void* bytes, int size, sqlite3_int64 offset) {
  if (!Fails()) return Real(file)->pMethods->xWrite(Real(file), bytes, size, offset);
  if (shared.fault.writes_half) Real(file)->pMethods->xWrite(Real(file), bytes, size / 2, offset);
  return shared.fault.code;
}
int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  return Fails() ? shared.fault.code : Real(file)->pMethods->xTruncate(Real(file), size);
}
// Nothing is really flushed: no power fails during a test, and flushing is slow.
int Sync(sqlite3_file*, int) { return Fails() ? shared.fault.code : SQLITE_OK; }

int Close(sqlite3_file* file) { return Real(file)->pMethods->xClose(Real(file)); }
int Read(sqlite3_file* file, void* bytes, int size, sqlite3_int64 offset) {
  return Real(file)->pMethods->xRead(Real(file), bytes, size, offset);
}
int FileSize(sqlite3_file* file, sqlite3_int64* size) { return Real(file)->pMethods->xFileSize(Real(file), size); }
int Lock(sqlite3_file* file, int level) { return Real(file)->pMethods->xLock(Real(file), level); }
int Unlock(sqlite3_file* file, int level) { return Real(file)->pMethods->xUnlock(Real(file), level); }
int CheckReservedLock(sqlite3_file* file, int* result) {
  return Real(file)->pMethods->xCheckReservedLock(Real(file), result);
}
int FileControl(sqlite3_file* file, int operation, void* argument) {
  return Real(file)->pMethods->xFileControl(Real(file), operation, argument);
}
int SectorSize(sqlite3_file* file) { return Real(file)->pMethods->xSectorSize(Real(file)); }
int DeviceCharacteristics(sqlite3_file* file) { return Real(file)->pMethods->xDeviceCharacteristics(Real(file)); }

// The index of the log, which the connections of one database share. It is made anew from the log when it is lost.
int ShmMap(sqlite3_file* file, int page, int size, int extend, void volatile** memory) {
  return Real(file)->pMethods->xShmMap(Real(file), page, size, extend, memory);
}
int ShmLock(sqlite3_file* file, int offset, int n, int flags) {
  return Real(file)->pMethods->xShmLock(Real(file), offset, n, flags);
}
void ShmBarrier(sqlite3_file* file) { Real(file)->pMethods->xShmBarrier(Real(file)); }
int ShmUnmap(sqlite3_file* file, int remove) { return Real(file)->pMethods->xShmUnmap(Real(file), remove); }

// Version 2: with shared memory.
constexpr sqlite3_io_methods kMethods = {
    .iVersion = 2,
    .xClose = Close,
    .xRead = Read,
    .xWrite = Write,
    .xTruncate = Truncate,
    .xSync = Sync,
    .xFileSize = FileSize,
    .xLock = Lock,
    .xUnlock = Unlock,
    .xCheckReservedLock = CheckReservedLock,
    .xFileControl = FileControl,
    .xSectorSize = SectorSize,
    .xDeviceCharacteristics = DeviceCharacteristics,
    .xShmMap = ShmMap,
    .xShmLock = ShmLock,
    .xShmBarrier = ShmBarrier,
    .xShmUnmap = ShmUnmap,
    .xFetch = nullptr,
    .xUnfetch = nullptr,
};

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  const int code = shared.real->xOpen(shared.real, name, Real(file), flags, out_flags);
  file->pMethods = Real(file)->pMethods == nullptr ? nullptr : &kMethods;
  return code;
}

}  // namespace

FaultyVfs::FaultyVfs() {
  shared = Shared();
  shared.real = sqlite3_vfs_find(nullptr);
  shared.faulty =
      *shared.real;  // Whatever is not replaced goes to the real one, which looks at none of its own fields.
  shared.faulty.iVersion = 1;
  shared.faulty.zName = "faulty";
  shared.faulty.szOsFile = static_cast<int>(sizeof(File)) + shared.real->szOsFile;
  shared.faulty.pNext = nullptr;
  shared.faulty.xOpen = Open;
  sqlite3_vfs_register(&shared.faulty, /*makeDflt=*/1);
}

FaultyVfs::~FaultyVfs() {
  sqlite3_vfs_unregister(&shared.faulty);
  sqlite3_vfs_register(shared.real, /*makeDflt=*/1);
}

void FaultyVfs::Arm(const Fault& fault) {
  shared.fault = fault;
  shared.num_calls = 0;
}

void FaultyVfs::Disarm() { shared.fault = kNoFault; }

int64_t FaultyVfs::num_calls() const { return shared.num_calls; }

}  // namespace greenplan
