# Begins each of the scripts: what they share. "container" is the ID of a container, by which its processes are found.
proc=${proc:-/proc}

# PIDs of the container's processes, the first one first.
processes() { grep -ls -- "$container" "$proc"/[0-9]*/cgroup | sed 's|/cgroup$||; s|.*/||' | sort -n; }

# Runs a command in the network namespace of the container.
inside() {
  [ -n "${pid:=$(processes | head -n1)}" ] || { echo 'no process of the container is left' >&2; exit 3; }
  nsenter --net="$proc/$pid/ns/net" -- "$@"
}
