"""The environment of tests that compute with LibTorch."""

# Idle OpenMP threads sleep instead of spinning, which on a busy machine makes tiny tensors many times as fast.
PASSIVE_OPENMP = {
    "GOMP_SPINCOUNT": "0",
    "OMP_WAIT_POLICY": "passive",
}
