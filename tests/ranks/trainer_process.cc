#include "tests/ranks/trainer_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "gtest/gtest.h"

namespace greenplan {
namespace {

constexpr char kTrainer[] = "trainer_client/finetune/greenplan-finetune";

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

Pipe MakePipe() {
  int ends[2] = {-1, -1};
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  return {ends[0], ends[1]};
}

}  // namespace

TrainerProcess::TrainerProcess(const std::vector<std::string>& arguments) {
  std::vector<char*> argv = {const_cast<char*>(kTrainer)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  const Pipe output = MakePipe(), errors = MakePipe();
  pid_ = fork();
  if (pid_ == 0) {
    dup2(output.write_end, STDOUT_FILENO);
    dup2(errors.write_end, STDERR_FILENO);
    execv(kTrainer, argv.data());
    _exit(127);
  }
  close(output.write_end);
  close(errors.write_end);
  output_reader_ = std::thread([this, descriptor = output.read_end] { ReadOutput(descriptor); });
  error_reader_ = std::thread([this, descriptor = errors.read_end] { ReadErrors(descriptor); });
}

TrainerProcess::~TrainerProcess() {
  if (pid_ < 0) return;
  Signal(SIGKILL);
  Wait();
}

void TrainerProcess::ReadOutput(int descriptor) {
  char buffer[4096];
  for (ssize_t count = 0; (count = read(descriptor, buffer, sizeof(buffer))) > 0;) {
    const std::lock_guard<std::mutex> lock(mutex_);
    line_count_ += static_cast<size_t>(std::count(buffer, buffer + count, '\n'));
    changed_.notify_all();
  }
  close(descriptor);
  const std::lock_guard<std::mutex> lock(mutex_);
  has_ended_ = true;
  changed_.notify_all();
}

void TrainerProcess::ReadErrors(int descriptor) {
  char buffer[4096];
  for (ssize_t count = 0; (count = read(descriptor, buffer, sizeof(buffer))) > 0;) {
    errors_.append(buffer, static_cast<size_t>(count));
  }
  close(descriptor);
}

bool TrainerProcess::WaitForLines(size_t count) {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [&] { return line_count_ >= count || has_ended_; });
  return line_count_ >= count;
}

void TrainerProcess::Signal(int signal) const { ASSERT_EQ(kill(pid_, signal), 0); }

int TrainerProcess::Wait() {
  int status = 0;
  EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
  pid_ = -1;
  output_reader_.join();
  error_reader_.join();
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace greenplan
