# Sends all that it can to "port" of the node for a second. Prints "sent BYTES NANOSECONDS".
flood() {
  local gateway
  gateway=$(inside ip route show default | cut -d' ' -f3)
  inside timeout 1 bash -c "exec 3<>/dev/udp/$gateway/$port; while :; do printf %1400s x >&3; done" 2>/dev/null
}
sent() {
  inside cat /proc/net/dev | tr ':' ' ' | while read -r name _ _ _ _ _ _ _ _ bytes _; do
    if [ "$name" = eth0 ]; then echo "$bytes"; fi
  done
}
inside true || exit
before=$(sent)
begun=$(date +%s%N)
flood
ended=$(date +%s%N)
after=$(sent)
echo sent $((after - before)) $((ended - begun))
