// greenplan-finetune: fine-tunes a Hugging Face checkpoint under a planned FLOPs budget. Options: options.cc.
// The work: finetune.h.

#include <unistd.h>

#include <iostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "planner/flags/program.h"
#include "profiler/autograd/freed_memory.h"
#include "trainer_client/finetune/finetune.h"
#include "trainer_client/finetune/openmp.h"
#include "trainer_client/finetune/options.h"
#include "trainer_client/finetune/torch_log.h"

int main(int argc, char** argv) {
  greenplan::trainer::WaitPassivelyInOpenMp(argv);
  greenplan::profiler::KeepFreedMemory();
  greenplan::trainer::SilenceTorchLog();
  greenplan::Program program("greenplan-finetune", "Fine-tunes a language model under a planned FLOPs budget.",
                             "greenplan-finetune --base llama --train train.txt --valid valid.txt --budget 0.5 "
                             "--budget-of backward --output tuned --report report.json");
  greenplan::trainer::FinetuneFlags flags(program);
  const std::vector<std::string> arguments = greenplan::trainer::SeparateModelConfig(argc, argv);
  std::vector<const char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  return program.Run(argc, pointers.data(), [&]() -> absl::Status {
    absl::StatusOr<greenplan::trainer::FinetuneOptions> options = flags.Options();
    if (!options.ok()) return options.status();
    const bool show_progress = isatty(STDERR_FILENO) != 0 && !options->quiet;
    return greenplan::trainer::Finetune(*options, {std::cout, std::cerr, show_progress});
  });
}
