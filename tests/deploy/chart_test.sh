#!/bin/bash
# Runs chart_test.py with the helm that ./dev has found or fetched.
helm=$(find -L external/helm ../helm -name helm -type f 2>/dev/null | head -n 1)
[ -n "$helm" ] || { echo "helm is missing: run ./dev test, which fetches it, or name it in HELM"; exit 1; }
exec /usr/bin/python3 -B tests/deploy/chart_test.py "$(realpath "$helm")" "$(realpath planner/daemon/greenpland)" \
  "$(realpath deploy/helm/greenplan/Chart.yaml | xargs dirname)"
