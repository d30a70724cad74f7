#include "planner/store/postgres/testing/postgres_proxy.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <random>
#include <utility>

namespace greenplan {
namespace {

// Process ids would not do: tests in sandboxes have the same ids, but share the abstract namespace.
std::string NewHost() {
  std::random_device random;
  return "greenplan_proxy_" + std::to_string(random()) + "_" + std::to_string(random());
}

socklen_t Address(const std::string& name, sockaddr_un& address) {
  memset(&address, 0, sizeof(address));
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, name.data(), name.size());
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
}

int Listen(const std::string& name) {
  const int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address;
  const socklen_t size = Address(name, address);
  if (bind(listener, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener, 128) != 0) {
    std::cerr << "PostgresProxy: no socket to listen on: " << strerror(errno) << std::endl;
    abort();
  }
  return listener;
}

int Connect(const std::string& name) {
  const int connection = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address;
  const socklen_t size = Address(name, address);
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), size) == 0) return connection;
  close(connection);
  return -1;
}

bool SendAll(int descriptor, const char* bytes, ssize_t size) {
  while (size > 0) {
    const ssize_t sent = send(descriptor, bytes, static_cast<size_t>(size), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    size -= sent;
  }
  return true;
}

}  // namespace

PostgresProxy::PostgresProxy(std::string target)
    : target_(std::move(target)),
      host_(NewHost()),
      listener_(Listen(std::string(1, '\0') + host_ + "/.s.PGSQL.5432")),
      event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      thread_([this] { Run(); }) {}

PostgresProxy::~PostgresProxy() {
  {
    absl::MutexLock lock(&mutex_);
    is_stopped_ = true;
  }
  Wake();
  thread_.join();
  absl::MutexLock lock(&mutex_);
  CloseAll();
  close(listener_);
  close(event_);
}

std::string PostgresProxy::Through(const std::string& uri) const {
  return uri.substr(0, uri.find("?host=")) + "?host=%40" + host_;
}

void PostgresProxy::Wake() const {
  const uint64_t one = 1;
  static_cast<void>(!write(event_, &one, sizeof(one)));
}

void PostgresProxy::Cut() {
  absl::MutexLock lock(&mutex_);
  is_cut_ = true;
  CloseAll();
  Wake();
}

void PostgresProxy::Silence() {
  absl::MutexLock lock(&mutex_);
  is_silent_ = true;
  Wake();
}

void PostgresProxy::Mend() {
  absl::MutexLock lock(&mutex_);
  is_cut_ = is_silent_ = false;
  Wake();
}

void PostgresProxy::LoseAnswerTo(const std::string& text) {
  absl::MutexLock lock(&mutex_);
  lost_text_ = text;
}

int PostgresProxy::num_lost() const {
  absl::MutexLock lock(&mutex_);
  return num_lost_;
}

void PostgresProxy::CloseAll() {
  for (const Pair& pair : pairs_) {
    close(pair.client);
    close(pair.server);
  }
  pairs_.clear();
}

void PostgresProxy::Accept() {
  const int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
  if (client < 0) return;
  absl::MutexLock lock(&mutex_);
  const int server = is_cut_ ? -1 : Connect(target_);
  if (server < 0) {
    close(client);
  } else {
    pairs_.push_back({client, server});
  }
}

bool PostgresProxy::MoveFromClient(Pair& pair) {
  char bytes[65536];
  const ssize_t size = recv(pair.client, bytes, sizeof(bytes), MSG_DONTWAIT);
  if (size < 0) return true;
  if (size == 0) return false;
  if (!lost_text_.empty() &&
      memmem(bytes, static_cast<size_t>(size), lost_text_.data(), lost_text_.size()) != nullptr) {
    lost_text_.clear();
    pair.loses_answer = true;
  }
  return SendAll(pair.server, bytes, size);
}

bool PostgresProxy::MoveFromServer(Pair& pair) {
  char bytes[65536];
  const ssize_t size = recv(pair.server, bytes, sizeof(bytes), MSG_DONTWAIT);
  if (size < 0) return true;
  if (size > 0 && pair.loses_answer) ++num_lost_;
  if (size == 0 || pair.loses_answer) return false;
  return SendAll(pair.client, bytes, size);
}

void PostgresProxy::Run() {
  for (;;) {
    std::vector<pollfd> waits = {{event_, POLLIN, 0}};
    {
      absl::MutexLock lock(&mutex_);
      if (is_stopped_) return;
      if (!is_silent_) {
        waits.push_back({listener_, POLLIN, 0});
        for (const Pair& pair : pairs_) {
          waits.push_back({pair.client, POLLIN, 0});
          waits.push_back({pair.server, POLLIN, 0});
        }
      }
    }
    poll(waits.data(), waits.size(), -1);
    uint64_t count = 0;
    static_cast<void>(!read(event_, &count, sizeof(count)));
    if (waits.size() > 1 && (waits[1].revents & POLLIN) != 0) Accept();
    absl::MutexLock lock(&mutex_);
    if (is_silent_) continue;
    const auto is_closed = [this](Pair& pair) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      if (MoveFromClient(pair) && MoveFromServer(pair)) return false;
      close(pair.client);
      close(pair.server);
      return true;
    };
    pairs_.erase(std::remove_if(pairs_.begin(), pairs_.end(), is_closed), pairs_.end());
  }
}

}  // namespace greenplan
