#ifndef GREENPLAN_PLANNER_STORE_POSTGRES_TESTING_UNPRIVILEGED_PROCESS_H_
#define GREENPLAN_PLANNER_STORE_POSTGRES_TESTING_UNPRIVILEGED_PROCESS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace greenplan {

// Starts `arguments[0]`, a path, as a user who is not root, whoever runs the test. Its output goes to the file `log`,
// which is created or appended to. `folder` is handed over to the user where that is another one.
//
// The process is the first one of a PID namespace where the system allows that: all its descendants end with it. It is
// killed when the calling thread ends. Returns its id, to be waited for.
pid_t StartUnprivileged(const std::vector<std::string>& arguments, const std::string& folder, const std::string& log);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_POSTGRES_TESTING_UNPRIVILEGED_PROCESS_H_
