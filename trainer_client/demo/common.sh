# Shared by the demo's scripts; source it. Sets $out (the output folder), $here and $finetune.
here=trainer_client/demo
finetune=bazel-bin/trainer_client/finetune/greenplan-finetune
daemon=

step() { printf '\n== %s\n' "$*"; }
stop_daemon() { [ -z "$daemon" ] || { kill "$daemon" && wait "$daemon"; } 2>/dev/null || true; }
trap stop_daemon EXIT

# Makes the folder $1 anew, unless it holds something else than an earlier demo.
make_output() {
  out=$1
  if [ -e "$out" ] && [ ! -f "$out/.greenplan-demo" ]; then
    echo "demo: $out exists and was not made by the demo; name another folder" >&2
    exit 2
  fi
  rm -rf "$out"
  mkdir -p "$out"
  touch "$out/.greenplan-demo"
}

# Starts greenpland on a free port and sets $planner to its address.
start_daemon() {
  step "Starting the planner daemon"
  bazel-bin/planner/daemon/greenpland --listen 127.0.0.1:0 --port-file "$out/port" --http-listen "" \
    --data-dir "$out/planner" 2>"$out/greenpland.log" &
  daemon=$!
  until [ -s "$out/port" ]; do kill -0 "$daemon" || { cat "$out/greenpland.log" >&2; exit 1; }; sleep 0.1; done
  planner="127.0.0.1:$(cat "$out/port")"
}
