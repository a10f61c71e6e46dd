# Starts and stops the node's processes, each known by a file with its pid and start time.

# The start time of a process, which tells it from a later one with the same pid.
started_at() { # PID
  local stat
  { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
  # Fields after the name, which may have spaces in it: the first is the state, the 20th the time.
  read -ra stat <<<"${stat##*) }"
  [ "${stat[0]}" != Z ] && printf '%s' "${stat[19]}"
}

pid_of() { # NAME: prints the pid, or fails if the process is not the one that was started
  local pid since
  { read -r pid since <"$run/$1.pid"; } 2>/dev/null || return 1
  [ "$(started_at "$pid")" = "$since" ] && printf '%s' "$pid"
}

start() { # NAME COMMAND...
  local name=$1
  shift
  ! pid_of "$name" >/dev/null || return 0
  [ ! -f "$log/$name.log" ] || mv "$log/$name.log" "$log/$name.log.old"
  setsid "$@" >"$log/$name.log" 2>&1 </dev/null 9>&- &
  printf '%s %s\n' $! "$(started_at $!)" >"$run/$name.pid"
}

stop() { # NAME SECONDS
  local pid n
  if pid=$(pid_of "$1"); then
    kill "$pid"
    for ((n = 0; n < $2 * 10; n++)); do
      pid_of "$1" >/dev/null || break
      sleep 0.1
    done
    if pid_of "$1" >/dev/null; then
      say "  $1 did not end in $2 s: killed"
      kill -9 "$pid"
    fi
  fi
  rm -f "$run/$1.pid"
}

wait_for() { # NAME SECONDS COMMAND...: until the command succeeds, or NAME ends or is too late
  local name=$1 end=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! pid_of "$name" >/dev/null || [ $SECONDS -ge $end ]; then
      tail -n 15 "$log/$name.log" >&2
      die "$name did not become ready (${*@Q}); its log: $log/$name.log"
    fi
    sleep 0.1
  done
}
