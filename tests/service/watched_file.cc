#include "tests/service/watched_file.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "gtest/gtest.h"

namespace greenplan {

WatchedFile::WatchedFile(const std::string& folder, const std::string& name)
    : path_(folder + "/" + name), watch_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
  EXPECT_GE(inotify_add_watch(watch_, folder.c_str(), IN_MOVED_TO | IN_CLOSE_WRITE), 0);
}

WatchedFile::~WatchedFile() { close(watch_); }

std::string WatchedFile::WaitForContent(int writer, const std::function<void()>& after_look) const {
  while (true) {
    pollfd events[] = {{watch_, POLLIN, 0}, {writer, POLLIN, 0}};
    poll(events, 2, /*timeout=*/-1);
    const bool has_ended = (events[1].revents & POLLIN) != 0;
    // The events are taken before the look at the file. In the other order, an event that came between the two would be
    // taken without a look, and nothing would wake the next poll.
    char buffer[4096];
    while (read(watch_, buffer, sizeof(buffer)) > 0) {
    }
    std::string content = ReadAll(path_);
    after_look();
    if (!content.empty() || has_ended) return content;
  }
}

std::string ReadAll(const std::string& path) {
  std::ostringstream content;
  content << std::ifstream(path).rdbuf();
  return content.str();
}

}  // namespace greenplan
