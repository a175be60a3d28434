# Looks twice, a second apart, at the processes of the container whose names begin with "process". Prints "NAME(PID)" of those that
# used CPU in between.
look() {
  local p name stat field
  for p in $(processes); do
    name=$(cat "$proc/$p/comm" 2>/dev/null) && stat=$(cat "$proc/$p/stat" 2>/dev/null) || continue # it has ended
    case "$name" in "$process"*) ;; *) continue ;; esac
    read -r -a field <<<"${stat##*) }"
    echo "$p $((field[11] + field[12])) ${name// /_}"
  done
}
declare -A before
while read -r p ticks _; do before[$p]=$ticks; done < <(look)
sleep 1
while read -r p ticks name; do
  if [ -n "${before[$p]:-}" ] && [ "$ticks" -gt "${before[$p]}" ]; then echo "$name($p)"; fi
done < <(look)
