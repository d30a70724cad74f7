#ifndef GREENPLAN_TRAINER_CLIENT_FINETUNE_OPENMP_H_
#define GREENPLAN_TRAINER_CLIENT_FINETUNE_OPENMP_H_

namespace greenplan::trainer {

// Lets idle OpenMP threads sleep instead of spin, which makes backward up to 6 times as fast on a machine that has
// other work. The OpenMP library reads its variables when it is loaded, before main. So this function starts the
// program anew, once, with OMP_WAIT_POLICY=passive. It does nothing if the user has set OMP_WAIT_POLICY or
// GOMP_SPINCOUNT. Call it first in main.
void WaitPassivelyInOpenMp(char** argv);

}  // namespace greenplan::trainer

#endif  // GREENPLAN_TRAINER_CLIENT_FINETUNE_OPENMP_H_
