#ifndef GREENPLAN_PLANNER_CLI_GREENPLAN_FIXTURE_H_
#define GREENPLAN_PLANNER_CLI_GREENPLAN_FIXTURE_H_

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace greenplan {

// For tests of the binary as its users run it, in a folder of the test's own that holds p.json, a profile, and i.json,
// its importance.

// What a run of the program ended with and wrote.
struct Result {
  int exit_code = 0;
  std::string out;
  std::string err;
};

// A chain of three ops with a block each on the deeper two. Forward 100, full backward 60: edges 10 and 10, weight
// gradients 20 (c), 10 (b), 10 (a). The loss does not reach `unreached`.
inline constexpr char kProfile[] = R"({
  "model": "small", "cost_unit": "COST_UNIT_FLOPS", "forward_cost": 100,
  "ops": [{"name": "loss", "inputs": [{"op": 1, "cost": 10}]},
          {"name": "second", "inputs": [{"op": 2, "cost": 10}], "block": 0, "saved_bytes": 4},
          {"name": "first", "block": 1}],
  "tensors": [{"name": "c", "shape": [2], "op": 2, "weight_grad_cost": "20"},
              {"name": "b", "shape": [2, 3], "op": 1, "weight_grad_cost": 10, "saved_bytes": 8},
              {"name": "a", "op": 0, "weight_grad_cost": 10},
              {"name": "unreached", "shape": [5]}],
  "blocks": [{"name": "top"}, {"name": "bottom"}]})";

// Runs the program `greenplan` on files in a folder of the test's own.
class GreenplanTest : public testing::Test {
 protected:
  GreenplanTest() : folder_(testing::TempDir() + "/" + testing::UnitTest::GetInstance()->current_test_info()->name()) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    Write("p.json", kProfile);
    Write("i.json", R"({"importance": [3, 2, 1, 0]})");
  }

  void Write(const std::string& name, const std::string& content) { std::ofstream(folder_ + "/" + name) << content; }

  std::string Read(const std::string& name) const {
    std::ostringstream content;
    content << std::ifstream(folder_ + "/" + name).rdbuf();
    return content.str();
  }

  // Runs `greenplan ARGUMENTS` in the test's folder.
  Result Run(const std::string& arguments) const {
    static const std::string binary = std::filesystem::absolute("planner/cli/greenplan").string();
    const std::string command = "cd " + folder_ + " && " + binary + " " + arguments + " >.out 2>.err </dev/null";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, Read(".out"), Read(".err")};
  }

  // Expects bad usage: exit code 2, nothing on stdout, and this one line.
  void ExpectRefused(const std::string& arguments, const std::string& message) const {
    const Result result = Run(arguments);
    EXPECT_EQ(result.exit_code, 2) << arguments;
    EXPECT_EQ(result.err, "greenplan: " + message + "\n") << arguments;
    EXPECT_EQ(result.out, "") << arguments;
  }

  // Runs and parses; expects success and silence on stderr.
  nlohmann::json RunJson(const std::string& arguments) const {
    const Result result = Run(arguments + " --format json");
    EXPECT_EQ(result.exit_code, 0) << arguments << "\n" << result.err;
    EXPECT_EQ(result.err, "") << arguments;
    return nlohmann::json::parse(result.out, nullptr, false);
  }

  const std::string folder_;
};

// Returns the keys of a JSON object, in alphabetical order.
inline std::vector<std::string> KeysOf(const nlohmann::json& object) {
  std::vector<std::string> keys;
  for (const auto& item : object.items()) keys.push_back(item.key());
  return keys;
}

}  // namespace greenplan

#endif  // GREENPLAN_PLANNER_CLI_GREENPLAN_FIXTURE_H_
