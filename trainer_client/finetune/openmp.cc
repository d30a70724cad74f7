#include "trainer_client/finetune/openmp.h"

#include <unistd.h>

#include <climits>
#include <cstdlib>

namespace greenplan::trainer {

void WaitPassivelyInOpenMp(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr || std::getenv("GOMP_SPINCOUNT") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", 1);
  setenv("GOMP_SPINCOUNT", "0", 1);
  char program[PATH_MAX + 1] = {};  // Not /proc/self/exe, which would become the name of the process.
  if (readlink("/proc/self/exe", program, PATH_MAX) > 0) execv(program, argv);
  // Reached only if that failed; then threads spin.
}

}  // namespace greenplan::trainer
