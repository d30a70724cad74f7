#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_TORCH_LOG_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_TORCH_LOG_H_

namespace greenplan::trainer {

// Keeps LibTorch from writing its own lines to stderr, such as those about every attempt to connect to another rank.
// What goes wrong comes as an exception and is told in one line. If the environment has TORCH_CPP_LOG_LEVEL, that
// counts. Call it once, before other threads are started.
void SilenceTorchLog();

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_TORCH_LOG_H_
