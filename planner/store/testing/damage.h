#ifndef GREENPLAN_PLANNER_STORE_TESTING_DAMAGE_H_
#define GREENPLAN_PLANNER_STORE_TESTING_DAMAGE_H_

#include <random>
#include <string>

namespace greenplan {

// Does to a file's content what a medium may do: truncates it, flips one of its bits or zeroes one of its sectors of
// 512 bytes, each at a random place. Returns in words what it did. REQUIRES: `content` is not empty. Not thread-safe.
std::string Damage(std::mt19937& random, std::string& content);

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_STORE_TESTING_DAMAGE_H_
