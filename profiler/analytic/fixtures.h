#ifndef GREENPLAN_PROFILER_ANALYTIC_FIXTURES_H_
#define GREENPLAN_PROFILER_ANALYTIC_FIXTURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "nlohmann/json.hpp"
#include "profiler/analytic/analytic.h"

// For tests: what testdata/make_fixtures.py measured on Hugging Face's modules, read from its files.
namespace greenplan::profiler {

// What one mask of trained tensors cost.
struct MeasuredMask {
  std::vector<bool> trainable;  // [num_tensors]
  int64_t backward_flops = 0;
  int64_t saved_bytes = 0;
};

// What was measured of one model.
struct Fixture {
  // What the file calls the model, its config.json, and the sizes of the step.
  std::string model;
  nlohmann::json config;
  AnalyticOptions options;
  // Products of a forward pass.
  int64_t forward_flops = 0;
  // Figures of the tensors, by which large models are checked without listing all names.
  size_t tensor_count = 0;
  int64_t parameter_count = 0;
  std::string parameters_digest;        // Of the lines, each with a line feed.
  std::vector<std::string> parameters;  // "NAME 2,3"; empty for large models.
  std::vector<MeasuredMask> masks;      // The first one trains everything.
};

// Returns the names of the files in testdata/models, sorted.
std::vector<std::string> FixtureNames();
// Reads a fixture. Ends the test program if there is no such file.
Fixture LoadFixture(const std::string& name);
// Reads a JSON file of testdata, named without its ending. Ends the test program if there is no such file.
nlohmann::json LoadTestData(const std::string& name);

// Returns "NAME 2,3", the form in which fixtures list a tensor.
std::string DescribeTensor(const Tensor& tensor);
// Returns the number of elements of all tensors.
int64_t ParameterCount(const ModelProfile& profile);
// Returns the 64-bit FNV-1a hash of `text` in hexadecimal.
std::string Fnv1a(const std::string& text);

}  // namespace greenplan::profiler

#endif  // GREENPLAN_PROFILER_ANALYTIC_FIXTURES_H_
