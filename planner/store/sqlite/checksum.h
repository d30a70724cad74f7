#ifndef GREENPLAN_PLANNER_STORE_SQLITE_CHECKSUM_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_CHECKSUM_H_

struct sqlite3;

namespace greenplan {

// Makes the SQL function greenplan_crc32(value, ...) known to a connection: the CRC-32 of any number of integers and
// blobs, their kinds and lengths included. SQLite keeps no checksums of its pages, so a bit that the medium has flipped
// inside a message would otherwise be served as if it had been written; every row that holds a message keeps this of
// itself. Any other kind of value makes it NULL. Returns SQLite's result code.
int RegisterChecksum(sqlite3* connection);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_CHECKSUM_H_
