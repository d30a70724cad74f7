#ifndef GREENPLAN_PLANNER_STORE_POSTGRES_TESTING_POSTGRES_SERVER_H_
#define GREENPLAN_PLANNER_STORE_POSTGRES_TESTING_POSTGRES_SERVER_H_

#include <sys/types.h>

#include <string>

namespace greenplan {

// A real PostgreSQL server that belongs to one test: Debian's programs, a data folder of its own, and a socket in the
// abstract namespace, so that neither a port nor a file of another program is in the way.
//
//   PostgresServer server;
//   auto store = OpenPostgresStore({.uri = server.NewDatabase()});
//   server.Kill();   // As a power failure does.
//   server.Start();
//
// PostgreSQL refuses to run as root. The server therefore runs in a user namespace in which the test's user is an
// ordinary one or, where the system allows no such namespace (a chroot, some containers), as the user nobody. It also
// is the first process of a PID namespace where that is allowed, so that all its processes end with it, and it ends
// with the test. `fsync` is off: no power fails during a test.
//
// The constructor and Start end the test program with a message if the server cannot be started. Not thread-safe.
class PostgresServer {
 public:
  // Creates a cluster of databases and starts the server.
  PostgresServer();
  // Kills the server and removes its data.
  ~PostgresServer();
  PostgresServer(const PostgresServer&) = delete;
  PostgresServer& operator=(const PostgresServer&) = delete;

  // Creates an empty database and returns its URI.
  std::string NewDatabase();

  // Runs a statement in the database of `uri`. Returns whether it went well.
  static bool Execute(const std::string& uri, const std::string& sql);

  // Ends every process of the server at once.
  void Kill();
  // Ends the server as an administrator does ("fast"): open transactions are rolled back, connections closed.
  void Stop();
  // Starts the server after Kill or Stop, and returns once it answers.
  void Start();

  // The name of the server's socket, with the zero byte that marks the abstract namespace.
  std::string socket_name() const;

 private:
  std::string Uri(const std::string& database) const;

  const std::string folder_;
  const std::string host_;  // As libpq names the socket's folder.
  pid_t pid_ = -1;
  int num_databases_ = 0;
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_POSTGRES_TESTING_POSTGRES_SERVER_H_
