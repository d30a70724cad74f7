#include "planner/store/postgres/wakeups.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"

namespace greenplan::postgres {
namespace {

// LISTEN takes no parameter; pg_notify does.
constexpr char kListen[] = "LISTEN greenplan";
constexpr char kNotify[] = "SELECT pg_notify('greenplan', convert_from($1, 'UTF8'))";

void Signal(int event) {
  const uint64_t one = 1;
  static_cast<void>(!write(event, &one, sizeof(one)));
}

void Clear(int event) {
  uint64_t count = 0;
  static_cast<void>(!read(event, &count, sizeof(count)));
}

}  // namespace

Wakeups::Wakeups(Options options, Callback callback)
    : options_(std::move(options)),
      callback_(std::move(callback)),
      event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { Run(); }) {}

Wakeups::~Wakeups() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopped_ = true;
  }
  Signal(event_);
  thread_.join();
  close(event_);
}

void Wakeups::Send(const std::string& topic) {
  {
    absl::MutexLock lock(&mutex_);
    if (!pending_.insert(topic).second) return;
  }
  Signal(event_);
}

bool Wakeups::is_stopped() {
  absl::MutexLock lock(&mutex_);
  return is_stopped_;
}

// Without a connection, what is to be sent is delivered here at least; the other replicas poll, too, as long as they
// cannot reach the server, and look at everything once they can.
void Wakeups::Run() {
  bool can_notify = options_.uses_notifications;
  while (!is_stopped()) {
    if (can_notify) {
      const absl::Status status = Serve();
      is_listening_ = false;
      // The server knows no LISTEN: it will not learn it.
      if (!absl::IsUnavailable(status) && !status.ok()) can_notify = false;
    }
    if (is_stopped()) return;
    WaitFor(options_.poll_interval);
    {
      absl::MutexLock lock(&mutex_);
      pending_.clear();
    }
    callback_("");
  }
}

absl::Status Wakeups::Serve() {
  absl::StatusOr<std::unique_ptr<Connection>> connection =
      Connection::Open(options_.uri, absl::Now() + options_.timeout);
  if (!connection.ok()) return connection.status();
  if (absl::Status status = (*connection)->Execute(kListen, {}, absl::Now() + options_.timeout); !status.ok()) {
    return status;
  }
  is_listening_ = true;
  absl::Time next_look = absl::Now();
  for (;;) {
    if (absl::Now() >= next_look) {
      // Asks the server something, because a connection that was cut without a word looks like one that is quiet.
      absl::Status status = (*connection)->Execute("SELECT 1", {}, absl::Now() + options_.timeout);
      if (!status.ok()) return status;
      next_look = absl::Now() + options_.safety_interval;
      callback_("");
    }
    Clear(event_);
    if (is_stopped()) return absl::OkStatus();
    if (absl::Status status = SendPending(**connection); !status.ok()) return status;
    const auto topics = (*connection)->WaitForNotifications(event_, next_look);
    if (!topics.ok()) return topics.status();
    Deliver(*topics);
  }
}

absl::Status Wakeups::SendPending(Connection& connection) {
  std::set<std::string> topics;
  {
    absl::MutexLock lock(&mutex_);
    topics.swap(pending_);
  }
  for (const std::string& topic : topics) {
    if (absl::Status status = connection.Execute(kNotify, {topic}, absl::Now() + options_.timeout); !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

void Wakeups::Deliver(const std::vector<std::string>& topics) {
  const std::set<std::string> distinct(topics.begin(), topics.end());
  for (const std::string& topic : distinct) callback_(topic);
}

void Wakeups::WaitFor(absl::Duration duration) {
  const absl::Time end = absl::Now() + duration;
  pollfd wait = {event_, POLLIN, 0};
  while (absl::Now() < end && !is_stopped()) {
    if (poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(end - absl::Now()) + 1)) > 0) Clear(event_);
  }
}

}  // namespace greenplan::postgres
