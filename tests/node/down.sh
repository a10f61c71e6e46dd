#!/usr/bin/env bash
# Stops what up.sh started and leaves no process, mount, network device, rule or cgroup behind.
# The API objects, volumes and images stay for the next up.sh; `down.sh --purge` deletes them
# too, all but the programs.
. "$(dirname "$0")/settings.sh"
. "$here/parts/processes.sh"
[ "$(id -u)" = 0 ] || die "must run as root"
case ${1:-} in --purge | '') ;; *) die "usage: down.sh [--purge]" ;; esac
[ -d "$run" ] || { say "nothing to stop in $NODE_HOME"; exit 0; }
lock

say "stopping kubelet, then the pods"
stop kubelet 10
if pid_of containerd >/dev/null; then
  "$NODE_BIN/podrm" "unix://$containerd_socket" 10 || say "  some pods did not stop"
fi
say "stopping the control plane"
for name in coredns kube-proxy kube-scheduler kube-controller-manager kube-apiserver etcd containerd; do
  stop "$name" 20
done

# A shim outlives containerd if its pod could not be stopped.
for process in /proc/[0-9]*; do
  if { tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null | grep -q "^[^ ]*containerd-shim.* -address $containerd_socket "; then
    say "  killing a leftover shim: ${process#/proc/}"
    kill -9 "${process#/proc/}" || true
  fi
done

say "removing mounts, rules, devices and cgroups"
"$NODE_BIN/kube-proxy" --cleanup >"$log/cleanup.log" 2>&1 || say "  kube-proxy --cleanup failed: $log/cleanup.log"
iptables -w -t nat -D POSTROUTING -s "$pod_cidr" ! -o "$bridge" -j MASQUERADE 2>/dev/null || true
for direction in -i -o; do iptables -w -D FORWARD $direction "$bridge" -j ACCEPT 2>/dev/null || true; done
# What kube-proxy's cleanup and the portmap plugin leave.
drop_chain() { # IPTABLES TABLE CHAIN
  "$1" -w -t "$2" -S "$3" >/dev/null 2>&1 || return 0
  "$1" -w -t "$2" -S | sed -nE "s/^-A (.* -j $3)$/-D \1/p" | xargs -rL1 "$1" -w -t "$2"
  "$1" -w -t "$2" -F "$3" && "$1" -w -t "$2" -X "$3"
}
for iptables in iptables ip6tables; do
  drop_chain $iptables filter KUBE-FIREWALL
  for chain in DNAT MASQ SETMARK; do drop_chain $iptables nat CNI-HOSTPORT-$chain; done
done
ip link delete "$bridge" 2>/dev/null || true
while read -r _ target _; do
  case $target in "$NODE_HOME"/*) printf '%b\n' "$target" ;; esac
done </proc/mounts | tac | while read -r target; do umount -l "$target"; done
for pods in /sys/fs/cgroup/kubepods /sys/fs/cgroup/*/kubepods; do
  [ ! -d "$pods" ] || find "$pods" -depth -type d -exec rmdir {} + || say "  $pods is in use"
done
[ ! -d /var/log/containers ] || find /var/log/containers -type l -lname "$log/pods/*" -delete
[ ! -f "$run/sysctls" ] || sysctl -qp "$run/sysctls" || say "  a kernel setting could not be put back"
[ ! -L "$volumes" ] || rm "$volumes"
rm -rf "$run"
if [ "${1:-}" = --purge ]; then
  rm -rf "$pki" "$etc" "$log" "$KUBECONFIG" "$NODE_HOME"/{etcd,volumes,containerd,kubelet}
fi
say "down"
