# Connects "times" times to "port" of "peer", which nobody serves. Prints "answered NANOSECONDS" for each refusal, and "silent" if
# there was none within "silent_after" seconds.
inside true || exit
for ((i = 0; i < times; i++)); do
  begun=$(date +%s%N)
  said=$(inside timeout "$silent_after" bash -c "exec 3<>/dev/tcp/$peer/$port" 2>&1)
  code=$?
  ended=$(date +%s%N)
  case "$code $said" in
    "0 "* | *refused*) echo answered $((ended - begun)) ;;
    124*) echo silent ;;
    *) echo "probe failed with $code: $said" >&2; exit 4 ;;
  esac
done
