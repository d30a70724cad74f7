#include "planner/store/sqlite/checksum.h"

#include <sqlite3.h>
#include <zlib.h>

#include <cstdint>

namespace greenplan {
namespace {

// Least significant byte first, on any machine: files are copied between them.
uint32_t AddNumber(uint32_t sum, uint64_t number) {
  unsigned char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(number >> (8 * i));
  return static_cast<uint32_t>(crc32(sum, bytes, sizeof(bytes)));
}

// As sqlite3_create_function_v2 wants it.
void Checksum(sqlite3_context* context, int num_values, sqlite3_value** values) {
  uint32_t sum = 0;
  for (int i = 0; i < num_values; ++i) {
    const int type = sqlite3_value_type(values[i]);
    sum = AddNumber(sum, static_cast<uint64_t>(type));
    if (type == SQLITE_INTEGER) {
      sum = AddNumber(sum, static_cast<uint64_t>(sqlite3_value_int64(values[i])));
    } else if (type == SQLITE_BLOB) {
      const auto* bytes = static_cast<const unsigned char*>(sqlite3_value_blob(values[i]));
      const int size = sqlite3_value_bytes(values[i]);
      sum = AddNumber(sum, static_cast<uint64_t>(size));
      // zlib takes a null pointer for "begin anew".
      if (size > 0) sum = static_cast<uint32_t>(crc32(sum, bytes, static_cast<unsigned>(size)));
    } else {
      return sqlite3_result_null(context);
    }
  }
  sqlite3_result_int64(context, sum);
}

}  // namespace

int RegisterChecksum(sqlite3* connection) {
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
  constexpr int kAnyNumberOfValues = -1;
  return sqlite3_create_function_v2(connection, "greenplan_crc32", kAnyNumberOfValues, kFlags, nullptr, Checksum,
                                    nullptr, nullptr, nullptr);
}

}  // namespace greenplan
