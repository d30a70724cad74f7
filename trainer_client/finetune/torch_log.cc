#include "trainer_client/finetune/torch_log.h"

#include <cstdlib>

#include "c10/util/Logging.h"

namespace greenplan::trainer {

void SilenceTorchLog() {
  setenv("TORCH_CPP_LOG_LEVEL", "FATAL", /*overwrite=*/0);
  c10::initLogging();  // Reads the variable.
}

}  // namespace greenplan::trainer
