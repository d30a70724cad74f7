// Prints how much heap the solver takes in addition to its input. It replaces operator new to count every allocation.
// This is a program of its own because counting slows the solver down:
//
//   ./dev bench solver

#include <malloc.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <vector>

#include "benchmarks/solver/problems.h"
#include "planner/core/selection/selection.h"

namespace {

// The bytes of heap in use now, and their maximum so far.
size_t heap_bytes = 0;
size_t heap_peak = 0;

}  // namespace

// This must not be inlined. Otherwise the compiler sees free() paired with new and warns.
[[gnu::noinline]] void* operator new(size_t size) {
  void* memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  heap_bytes += malloc_usable_size(memory);
  heap_peak = std::max(heap_peak, heap_bytes);
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  if (memory != nullptr) heap_bytes -= malloc_usable_size(memory);
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept { operator delete(memory); }

namespace greenplan {
namespace {

double MebibytesSince(size_t before) { return static_cast<double>(heap_peak - before) / (1 << 20); }

void Run() {
  const ModelProfile profile = MakeProfile(GraphShape::kChain, 100000, 5);
  TestRandom random(6);
  const std::vector<double> importance = RandomImportance(profile, ImportanceKind::kHeavyTailed, random);
  const SelectionProblem problem = MakeProblem(profile, importance, 0.5);
  const size_t before = heap_bytes;
  heap_peak = heap_bytes;
  const SelectionSolver solver(profile);
  solver.Solve(problem);
  const double first = MebibytesSince(before);
  heap_peak = heap_bytes;
  WarmUp(solver, profile);
  std::printf(
      "| heap beyond the input, 100,000 tensors | MiB at the peak | %.1f | %.1f | first plan with its structure; "
      "later plans, structure included |\n",
      first, MebibytesSince(before));
}

}  // namespace
}  // namespace greenplan

int main() { greenplan::Run(); }
