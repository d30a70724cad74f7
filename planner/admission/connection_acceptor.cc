#include "planner/admission/connection_acceptor.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/base/internal/raw_logging.h"

namespace greenplan {
namespace {

// Before the other listeners and the end have their turn.
constexpr int kMaxAcceptedInARow = 64;

// Zero if the descriptor is not open.
ino_t InodeOf(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 ? status.st_ino : 0;
}

int64_t DescriptorLimit() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int64_t>(limit.rlim_cur);
}

}  // namespace

ConnectionAcceptor::ConnectionAcceptor(ListeningPort port, Options options, Handler handler)
    : port_(std::move(port)),
      options_(std::move(options)),
      handler_(std::move(handler)),
      wake_up_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  ABSL_RAW_CHECK(wake_up_fd_ >= 0, "a process that starts has a file descriptor left");
  thread_ = std::thread([this] { Run(); });
}

ConnectionAcceptor::~ConnectionAcceptor() {
  eventfd_write(wake_up_fd_, 1);
  thread_.join();
  close(wake_up_fd_);
}

int64_t ConnectionAcceptor::CountConnections() const {
  absl::MutexLock lock(&mutex_);
  absl::erase_if(connections_, [](const auto& connection) { return InodeOf(connection.first) != connection.second; });
  return static_cast<int64_t>(connections_.size());
}

void ConnectionAcceptor::Run() {
  std::vector<pollfd> events;
  for (const int listener : port_.sockets()) events.push_back({listener, POLLIN, 0});
  events.push_back({wake_up_fd_, POLLIN, 0});
  for (;;) {
    poll(events.data(), events.size(), -1);
    if (events.back().revents != 0) return;
    for (const pollfd& event : events) {
      if (event.revents != 0) AcceptSome(event.fd);
    }
  }
}

void ConnectionAcceptor::AcceptSome(int listener) {
  for (int i = 0; i < kMaxAcceptedInARow; ++i) {
    const int accepted = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK) return;
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // Something else took the reserve too. The client waits in the listener's queue.
        TellFull(true);
        if (Pause()) return;
      }
      continue;  // Any other error is about this one connection, which has ended already.
    }
    const int connection = HasRoom(accepted) ? accepted : WaitForRoom(accepted);
    if (connection < 0) return;
    TellFull(false);
    HandOver(listener, connection);
  }
}

void ConnectionAcceptor::HandOver(int listener, int connection) {
  {
    absl::MutexLock lock(&mutex_);
    connections_[connection] = InodeOf(connection);
  }
  ++max_open_;
  handler_(listener, connection);
}

// A new descriptor gets the lowest number that is free. So a number says that all those below it are in use.
bool ConnectionAcceptor::HasRoom(int connection) {
  if (connection >= DescriptorLimit() - options_.reserved_descriptors) return false;
  if (max_open_ < options_.max_connections) return true;
  max_open_ = CountConnections();
  return max_open_ < options_.max_connections;
}

int ConnectionAcceptor::WaitForRoom(int connection) {
  TellFull(true);
  for (;;) {
    if (Pause()) {
      close(connection);
      return -1;
    }
    const int lowest = fcntl(connection, F_DUPFD_CLOEXEC, 0);
    if (lowest < 0) continue;
    if (lowest < connection) {
      close(connection);
      connection = lowest;
    } else {
      close(lowest);
    }
    if (HasRoom(connection)) return connection;
  }
}

bool ConnectionAcceptor::Pause() {
  pollfd event = {wake_up_fd_, POLLIN, 0};
  poll(&event, 1, static_cast<int>(absl::ToInt64Milliseconds(options_.check_interval)));
  return event.revents != 0;
}

void ConnectionAcceptor::TellFull(bool is_full) {
  if (is_full == is_full_) return;
  is_full_ = is_full;
  if (options_.on_full) options_.on_full(is_full);
}

int64_t RaiseDescriptorLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  return DescriptorLimit();
}

}  // namespace greenplan
