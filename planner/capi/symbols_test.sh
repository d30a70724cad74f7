#!/usr/bin/env bash
# What libgreenplan.so shows and needs: its own functions, and the C library's.
set -euo pipefail
library=$1

visible=$(nm -D --defined-only "$library" | awk '$2 ~ /[A-Z]/ {print $3}' | sort)
expected=$(printf 'greenplan_%s\n' buffer_free cost curve draw_blocks explain plan planner_cost planner_curve \
  planner_draw_blocks planner_explain planner_free planner_new planner_plan profile_config version | sort)
diff <(echo "$expected") <(echo "$visible") || { echo "the exported symbols (>) are not those of greenplan.h (<)"; exit 1; }

needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | grep -vE '^(libc|libm|libgcc_s|ld-linux-x86-64)\.so\.[0-9]+$' || true)
[ -z "$needed" ] || { echo "$library needs $needed; allowed: libc, libm, libgcc_s"; exit 1; }

# The oldest systems that it loads on: glibc 2.34, as in Ubuntu 22.04, Debian 12 and RHEL 9.
newest=$(objdump -T "$library" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
[ "$(printf '%s\nGLIBC_2.34\n' "$newest" | sort -V | tail -n 1)" = GLIBC_2.34 ] ||
  { echo "$library needs $newest; allowed: up to GLIBC_2.34"; exit 1; }
