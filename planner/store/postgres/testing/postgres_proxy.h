#ifndef GREENPLAN_PLANNER_STORE_POSTGRES_TESTING_POSTGRES_PROXY_H_
#define GREENPLAN_PLANNER_STORE_POSTGRES_TESTING_POSTGRES_PROXY_H_

#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace greenplan {

// Stands between a client and a PostgresServer, and cuts them off from each other in a test.
//
//   PostgresProxy proxy(server.socket_name());
//   auto store = OpenPostgresStore({.uri = proxy.Through(server.NewDatabase())});
//   proxy.LoseAnswerTo("COMMIT");
//
// Thread-safety: safe.
class PostgresProxy {
 public:
  // `target` is the socket's name in the abstract namespace, with its zero byte.
  explicit PostgresProxy(std::string target);
  ~PostgresProxy();
  PostgresProxy(const PostgresProxy&) = delete;
  PostgresProxy& operator=(const PostgresProxy&) = delete;

  // Returns the URI with this proxy as its host.
  std::string Through(const std::string& uri) const;

  // Closes all connections and refuses new ones.
  void Cut();
  // Keeps all connections open and moves no byte, as a network does that drops packets.
  void Silence();
  // Ends Cut or Silence.
  void Mend();
  // The next message from a client that contains `text` reaches the server. Once the server has answered, the
  // connection is closed, and the client never sees the answer.
  void LoseAnswerTo(const std::string& text);
  // How many answers have been lost so.
  int num_lost() const;

 private:
  struct Pair {
    int client = -1;
    int server = -1;
    bool loses_answer = false;
  };

  void Run();
  void Accept();
  // Moves what is there; false if the pair is to be closed.
  bool MoveFromClient(Pair& pair) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MoveFromServer(Pair& pair) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CloseAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Wake() const;

  const std::string target_;
  const std::string host_;  // The name of this proxy's folder of sockets, without its first byte.
  const int listener_;
  const int event_;
  mutable absl::Mutex mutex_;
  std::vector<Pair> pairs_ ABSL_GUARDED_BY(mutex_);
  bool is_cut_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_silent_ ABSL_GUARDED_BY(mutex_) = false;
  bool is_stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::string lost_text_ ABSL_GUARDED_BY(mutex_);
  int num_lost_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_POSTGRES_TESTING_POSTGRES_PROXY_H_
