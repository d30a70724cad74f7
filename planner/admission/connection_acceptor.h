#ifndef GREENPLAN_PLANNER_ADMISSION_CONNECTION_ACCEPTOR_H_
#define GREENPLAN_PLANNER_ADMISSION_CONNECTION_ACCEPTOR_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "planner/admission/listening_port.h"

namespace greenplan {

// Accepts the connections of a port in place of gRPC, whose accept loop (1.51) never recovers from running out of file
// descriptors (CVE-2023-4785). This acceptor stops before that: some descriptors stay reserved for the store, its files
// and the log. While there is no room, clients wait in the operating system's queue. They are served as soon as a
// connection ends, without having to try again.
//
//   ConnectionAcceptor acceptor(*ListeningPort::Open("0.0.0.0:7437"), {},
//                               [&](int listener, int connection) { hand it to gRPC });
//
// A thread of its own accepts from construction to destruction. Destruction closes the port, but not the connections
// that were handed over.
//
// Thread-safety: safe. Memory: O(connections).
class ConnectionAcceptor {
 public:
  // How many connections may be open, and what to do when no more may.
  struct Options {
    int max_connections = 16384;  // Open at a time, >= 1.
    // Not used for connections, of those that RLIMIT_NOFILE allows; >= 1. If all the others are in use, whatever for,
    // nobody is accepted.
    int reserved_descriptors = 64;
    // How often to look for room while there is none.
    absl::Duration check_interval = absl::Milliseconds(20);
    // Called on the acceptor's thread: true once connections have to wait, false once they no longer do. Optional.
    std::function<void(bool)> on_full = nullptr;
  };
  // Receives each connection, a non-blocking socket, together with the listening socket it came by. It is called on the
  // acceptor's thread and must not block. It takes ownership of the connection and has to close it.
  using Handler = std::function<void(int listener, int connection)>;

  // Starts to accept at once. Takes over `port`, whose sockets are closed on destruction.
  ConnectionAcceptor(ListeningPort port, Options options, Handler handler);
  ~ConnectionAcceptor();
  ConnectionAcceptor(const ConnectionAcceptor&) = delete;
  ConnectionAcceptor& operator=(const ConnectionAcceptor&) = delete;

  // Returns the TCP port that is listened on.
  int port() const { return port_.port(); }

  // Returns how many of the connections that were handed over are still open. O(connections), with one system call for
  // each.
  int64_t CountConnections() const;

 private:
  void Run();
  void AcceptSome(int listener);
  void HandOver(int listener, int connection);
  bool HasRoom(int connection);
  // Waits until there is room for `connection`, under this or another descriptor, which is returned; -1: it is time to
  // end.
  int WaitForRoom(int connection);
  // Returns whether it is time to end.
  bool Pause();
  void TellFull(bool is_full);

  const ListeningPort port_;
  const Options options_;
  const Handler handler_;
  const int wake_up_fd_;  // Readable once it is time to end.
  bool is_full_ = false;  // Used by the acceptor's thread alone.
  int64_t max_open_ = 0;  // At most so many connections are open; used by the acceptor's thread alone.
  mutable absl::Mutex mutex_;
  // Those handed over, by descriptor. An entry whose descriptor belongs to something else by now has another inode.
  mutable absl::flat_hash_map<int, ino_t> connections_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

// Raises the soft limit RLIMIT_NOFILE of this process to the hard limit. Returns how many descriptors are allowed
// afterwards; if the limit cannot be raised, it stays as it was. Call it before the daemon serves.
int64_t RaiseDescriptorLimit();

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_ADMISSION_CONNECTION_ACCEPTOR_H_
