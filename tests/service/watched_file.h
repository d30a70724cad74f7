#ifndef GREENPLAN_TESTS_SERVICE_WATCHED_FILE_H_
#define GREENPLAN_TESTS_SERVICE_WATCHED_FILE_H_

#include <functional>
#include <string>

namespace greenplan {

// Waits for another process to write a file, without polling in intervals.
//
//   const WatchedFile file(folder, "port");  // Before the process starts, so that no event is missed.
//   ...
//   const std::string content = file.WaitForContent(process);
//
// Not thread-safe.
class WatchedFile {
 public:
  // Watches the file `name` in the existing `folder`.
  WatchedFile(const std::string& folder, const std::string& name);
  ~WatchedFile();
  WatchedFile(const WatchedFile&) = delete;
  WatchedFile& operator=(const WatchedFile&) = delete;

  // Returns the file's content once the file is there and not empty, or "" if `writer` ends before that. `writer` is a
  // descriptor that becomes readable when the writing process ends, such as a pidfd. A test can let something happen
  // right after each look at the file (after_look).
  std::string WaitForContent(
      int writer, const std::function<void()>& after_look = [] {}) const;

 private:
  const std::string path_;
  const int watch_;
};

// Returns the file's content, "" if there is no such file.
std::string ReadAll(const std::string& path);

}  // namespace greenplan

#endif  // GREENPLAN_TESTS_SERVICE_WATCHED_FILE_H_
