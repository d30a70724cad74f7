#!/bin/bash
# The configuration that comes with the units is one that greenpland takes, as it is and with every line in use; and the
# unit stays as hard as docs/operations.md says, where systemd-analyze is there to tell.
set -euo pipefail
config=deploy/systemd/greenpland.toml
unit=deploy/systemd/greenpland.service
folder=$(mktemp -d "$TEST_TMPDIR/systemd.XXXXXX")

planner/daemon/greenpland --config "$config" --check-config

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$folder/tls.key" -out "$folder/tls.crt" \
  -days 2 -subj /CN=planner 2>/dev/null
cp "$folder/tls.crt" "$folder/ca.crt"
printf '[[token]]\ntenant = "a"\nrole = "admin"\nsha256 = "%064d"\n' 0 >"$folder/tokens.toml"
# A line in comments takes the place of the one with its key.
sed -E 's/^# ([a-z-]+ = )/\1/' "$config" | awk -F ' = ' '/^[a-z-]+ = / {line[$1] = $0} END {for (key in line) print line[key]}' |
  sed "s|/etc/greenplan/|$folder/|" >"$folder/full.toml"
grep -q '^tls-client-ca' "$folder/full.toml"
planner/daemon/greenpland --config "$folder/full.toml" --check-config

# Only flags that exist stand in the unit's commands.
grep -qE '^Type=notify$' "$unit"
help=$(planner/daemon/greenpland --help)
for flag in $(sed -n 's/^ExecStart.*=\/usr\/bin\/greenpland//p' "$unit" | grep -oE -- '--[a-z-]+' | sort -u); do
  grep -q -- "$flag" <<<"$help" || { echo "greenpland has no $flag"; exit 1; }
done

if ! command -v systemd-analyze >/dev/null; then
  echo "systemd-analyze is not here: the unit's exposure is not checked"
  exit
fi
# 1.4 of 10, times ten.
systemd-analyze security --offline=true --no-pager --threshold=14 "$unit" | tail -n 1
