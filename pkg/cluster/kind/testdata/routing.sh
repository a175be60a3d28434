mkdir -p /etc/cni/net.d
cat > /etc/cni/net.d/10-sparkchaos.conflist.new <<'END'
{"cniVersion": "0.4.0", "name": "sparkchaos", "plugins": [
  {"type": "ptp", "ipMasq": false, "mtu": 1500, "ipam": {"type": "host-local", "dataDir": "/run/cni-ipam-state", "routes": [{"dst": "0.0.0.0/0"}], "ranges": [[{"subnet": "10.244.1.0/24"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
mv /etc/cni/net.d/10-sparkchaos.conflist.new /etc/cni/net.d/10-sparkchaos.conflist
ip route replace 10.244.0.0/24 via 172.18.0.2
iptables -w -t nat -C POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 -j MASQUERADE 2>/dev/null ||
iptables -w -t nat -A POSTROUTING -s 10.244.0.0/16 ! -d 10.244.0.0/16 -j MASQUERADE
