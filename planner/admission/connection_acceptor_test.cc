#include "planner/admission/connection_acceptor.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "gtest/gtest.h"
#include "planner/admission/testing/client_socket.h"

namespace greenplan {
namespace {

// Greets whom it gets and keeps the connection until told.
class Host {
 public:
  ConnectionAcceptor::Handler Handler() {
    return [this](int, int connection) {
      (void)!write(connection, "hello", 5);
      absl::MutexLock lock(&mutex_);
      connections_.push_back(connection);
    };
  }
  ~Host() {
    while (!connections_.empty()) CloseOldest();
  }

  void WaitForConnections(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto has_come = [&] { return connections_.size() >= count; };
    mutex_.Await(absl::Condition(&has_come));
  }
  void CloseOldest() {
    absl::MutexLock lock(&mutex_);
    close(connections_.front());
    connections_.pop_front();
  }
  int newest() {
    absl::MutexLock lock(&mutex_);
    return connections_.back();
  }
  size_t num_connections() {
    absl::MutexLock lock(&mutex_);
    return connections_.size();
  }

 private:
  absl::Mutex mutex_;
  std::deque<int> connections_ ABSL_GUARDED_BY(mutex_);
};

// Whether connections have to wait, as the acceptor tells it.
class FullSign {
 public:
  std::function<void(bool)> Listener() {
    return [this](bool is_full) {
      absl::MutexLock lock(&mutex_);
      is_full_ = is_full;
    };
  }
  void WaitFor(bool is_full) {
    absl::MutexLock lock(&mutex_);
    const auto is_so = [&] { return is_full_ == is_full; };
    mutex_.Await(absl::Condition(&is_so));
  }

 private:
  absl::Mutex mutex_;
  bool is_full_ ABSL_GUARDED_BY(mutex_) = false;
};

// Lets this process have only few descriptors more than it has now.
class ScopedDescriptorLimit {
 public:
  explicit ScopedDescriptorLimit(int more) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const int lowest_free = dup(0);
    close(lowest_free);
    rlimit limit = before_;
    limit.rlim_cur = lowest_free + more;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~ScopedDescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_;
};

ListeningPort OpenPort() {
  absl::StatusOr<ListeningPort> port = ListeningPort::Open("127.0.0.1:0");
  EXPECT_TRUE(port.ok()) << port.status();
  return *std::move(port);
}

// All descriptors that this process can still get.
std::vector<int> TakeAllDescriptors() {
  std::vector<int> taken;
  for (int fd = 0; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) taken.push_back(fd);
  return taken;
}

TEST(ConnectionAcceptorTest, HandsConnectionsOverAndCountsThoseThatAreOpen) {
  Host host;
  ConnectionAcceptor acceptor(OpenPort(), {}, host.Handler());
  std::vector<ClientSocket> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(ClientSocket::Connect(acceptor.port()));
  host.WaitForConnections(5);
  EXPECT_EQ(acceptor.CountConnections(), 5);
  EXPECT_NE(fcntl(host.newest(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_NE(fcntl(host.newest(), F_GETFD) & FD_CLOEXEC, 0);
  host.CloseOldest();
  host.CloseOldest();
  EXPECT_EQ(acceptor.CountConnections(), 3);
}

TEST(ConnectionAcceptorTest, BeyondTheCapClientsWaitUntilAConnectionEnds) {
  Host host;
  FullSign full;
  ConnectionAcceptor acceptor(OpenPort(), {.max_connections = 2, .on_full = full.Listener()}, host.Handler());
  std::vector<ClientSocket> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(ClientSocket::Connect(acceptor.port()));
  host.WaitForConnections(2);
  full.WaitFor(true);
  EXPECT_EQ(host.num_connections(), 2u);
  for (int i = 0; i < 2; ++i) {
    host.CloseOldest();
    host.WaitForConnections(2);
    EXPECT_EQ(acceptor.CountConnections(), 2);
  }
  full.WaitFor(false);
  host.CloseOldest();
  host.CloseOldest();
  for (const ClientSocket& client : clients) EXPECT_EQ(client.ReadToEnd(), "hello");
}

TEST(ConnectionAcceptorTest, LeavesTheReserveToOthersWhenDescriptorsRunOut) {
  Host host;
  FullSign full;
  ConnectionAcceptor acceptor(OpenPort(), {.reserved_descriptors = 8, .on_full = full.Listener()}, host.Handler());
  const ScopedDescriptorLimit limit(40);
  std::vector<ClientSocket> clients;  // They take descriptors of this process as well.
  while (clients.size() < 16) clients.push_back(ClientSocket::Connect(acceptor.port()));
  ClientSocket waiting = ClientSocket::Connect(acceptor.port());
  full.WaitFor(true);
  const int of_the_reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_GE(of_the_reserve, 0);
  close(of_the_reserve);
  const size_t num_served = host.num_connections();
  host.CloseOldest();
  host.CloseOldest();
  host.WaitForConnections(num_served - 1);
  full.WaitFor(false);
}

TEST(ConnectionAcceptorTest, ServesAgainOnceDescriptorsThatAllWereTakenAreFree) {
  Host host;
  FullSign full;
  ConnectionAcceptor acceptor(OpenPort(), {.reserved_descriptors = 1, .on_full = full.Listener()}, host.Handler());
  const ScopedDescriptorLimit limit(8);
  ClientSocket early = ClientSocket::Connect(acceptor.port());
  host.WaitForConnections(1);
  std::vector<int> taken = TakeAllDescriptors();
  close(taken.back());  // For the client; none is left for the acceptor.
  taken.pop_back();
  ClientSocket client = ClientSocket::Connect(acceptor.port());
  full.WaitFor(true);
  EXPECT_EQ(host.num_connections(), 1u);
  for (const int fd : taken) close(fd);
  host.WaitForConnections(2);
  full.WaitFor(false);
}

TEST(ConnectionAcceptorTest, EndsWhileClientsWaitForRoom) {
  Host host;
  ClientSocket waiting = [&] {
    FullSign full;
    ConnectionAcceptor acceptor(OpenPort(), {.max_connections = 1, .on_full = full.Listener()}, host.Handler());
    ClientSocket first = ClientSocket::Connect(acceptor.port());
    ClientSocket second = ClientSocket::Connect(acceptor.port());
    full.WaitFor(true);
    return second;
  }();
  EXPECT_EQ(waiting.ReadToEnd(), "");  // Closed, not left open.
}

TEST(ConnectionAcceptorTest, TheLimitOfDescriptorsIsRaisedAsFarAsItMayBe) {
  rlimit before;
  getrlimit(RLIMIT_NOFILE, &before);
  {
    const ScopedDescriptorLimit limit(20);
    EXPECT_EQ(RaiseDescriptorLimit(), static_cast<int64_t>(before.rlim_max));
  }
}

}  // namespace
}  // namespace greenplan
