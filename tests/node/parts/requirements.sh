# What the node needs of the machine: root, Debian packages, the kernel.

install_packages() {
  local need missing=()
  for need in containerd:containerd ctr:containerd runc:runc iptables:iptables conntrack:conntrack nft:nftables \
    ip:iproute2 mount:mount jq:jq openssl:openssl curl:curl; do
    command -v "${need%:*}" >/dev/null || missing+=("${need#*:}")
  done
  [ -x /usr/lib/cni/bridge ] || missing+=(containernetworking-plugins)
  find_busybox >/dev/null || missing+=(busybox-static)
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || unable "missing: ${missing[*]}, and there is no apt-get to install them"
  say "installing Debian packages: ${missing[*]}"
  {
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"
  } >"$log/apt.log" 2>&1 || unable "missing: ${missing[*]}, and apt-get cannot install them; its log: $log/apt.log"
}

find_busybox() { # prints the path of a static busybox, which works in an image of its own
  local path
  path=$(command -v busybox) && ! ldd "$path" >/dev/null 2>&1 && printf '%s' "$path"
}

prepare_kernel() {
  local key
  if [ ! -f "$run/sysctls" ]; then
    for key in "${sysctls[@]}"; do printf '%s=%s\n' "$key" "$(sysctl -n "$key" 2>/dev/null)"; done |
      grep -v '=$' >"$run/sysctls.new"
    mv "$run/sysctls.new" "$run/sysctls"
  fi
  modprobe -qa br_netfilter overlay veth 2>/dev/null || true # absent from kernels that have them built in
  grep -qw overlay /proc/filesystems || unable "the kernel has no overlayfs"
  sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1 2>"$log/sysctl.log" ||
    unable "the kernel has no IP forwarding or no bridge netfilter"
  [ "$(sysctl -n fs.inotify.max_user_instances)" -ge 1024 ] || sysctl -qw fs.inotify.max_user_instances=1024
}

prepare_network() {
  if ! ip link show "$bridge" >/dev/null 2>&1; then
    ip link add "$bridge" address 0a:58:0a:f4:00:01 type bridge || unable "the kernel makes no bridge"
    ip address add "$node_ip/${pod_cidr#*/}" dev "$bridge"
    ip link set "$bridge" up
  fi
  ip route replace "$service_cidr" dev "$bridge" src "$node_ip" # or services need a default route
  rule nat POSTROUTING -s "$pod_cidr" ! -o "$bridge" -j MASQUERADE || unable "the kernel has no NAT for iptables"
  rule filter FORWARD -i "$bridge" -j ACCEPT
  rule filter FORWARD -o "$bridge" -j ACCEPT
}

rule() { # TABLE CHAIN MATCH...: adds the rule unless it is there
  iptables -w -t "$1" -C "${@:2}" 2>/dev/null || iptables -w -t "$1" -I "${@:2}"
}

prepare_volumes() {
  [ ! -L "$volumes" ] || [ "$(readlink "$volumes")" != "$NODE_HOME/volumes" ] || return 0
  rmdir "$volumes" 2>/dev/null || true
  ln -sT "$NODE_HOME/volumes" "$volumes" || die "$volumes exists and is not ours"
}
