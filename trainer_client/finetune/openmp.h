#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_OPENMP_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_OPENMP_H_

namespace greenplan::trainer {

// Lets idle OpenMP threads sleep instead of spin, which on a machine with other work makes backward up to 6 times as
// fast. The OpenMP library reads its variables when it is loaded, before main: so this starts the program anew, once,
// with OMP_WAIT_POLICY=passive. Does nothing if the user has set OMP_WAIT_POLICY or GOMP_SPINCOUNT. Call it first in
// main.
void WaitPassivelyInOpenMp(char** argv);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_OPENMP_H_
