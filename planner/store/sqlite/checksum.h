#ifndef GREENPLAN_PLANNER_STORE_SQLITE_CHECKSUM_H_
#define GREENPLAN_PLANNER_STORE_SQLITE_CHECKSUM_H_

struct sqlite3;

namespace greenplan {

// Makes the SQL function greenplan_crc32(value, ...) known to a connection. It returns the CRC-32 of any number of
// integers and blobs, with their kinds and lengths; for any other kind of value it returns NULL. Every row that holds a
// message also holds this checksum of itself, because SQLite keeps no checksums of its pages: without it, a bit that
// the medium has flipped inside a message would be served as if it had been written.
//
// Returns SQLite's result code.
int RegisterChecksum(sqlite3* connection);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_SQLITE_CHECKSUM_H_
