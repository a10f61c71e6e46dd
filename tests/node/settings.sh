# Paths and addresses that all scripts share. NODE_HOME holds all state, NODE_BIN the programs.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
NODE_HOME=${NODE_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/tiphys/node}
NODE_BIN=${NODE_BIN:-$NODE_HOME/bin}

node_name=node
bridge=tiphys0
pod_cidr=10.244.0.0/24
node_ip=10.244.0.1 # of the bridge: the node does not depend on the address of the machine
service_cidr=10.96.0.0/16
api_service_ip=10.96.0.1
domain=cluster.local
etcd_port=12379

pki=$NODE_HOME/pki
etc=$NODE_HOME/etc
run=$NODE_HOME/run
log=$NODE_HOME/log
containerd_socket=$run/containerd.sock
volumes=/tmp/hostpath_pv # where the controller manager's hostPath provisioner insists to be
export KUBECONFIG=$NODE_HOME/kubeconfig
# What up.sh and kubelet change and down.sh puts back.
sysctls=(net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables fs.inotify.max_user_instances
  vm.overcommit_memory kernel.panic kernel.panic_on_oops kernel.keys.root_maxkeys kernel.keys.root_maxbytes)

say() { printf '%s\n' "$*" >&2; }
die() {
  say "$(basename "$0"): $*"
  exit 1
}
# For what is no fault of the node: this machine cannot run one. The exit status tells the difference.
unable() {
  say "$(basename "$0"): $*"
  exit 3
}

lock() {
  mkdir -p "$NODE_HOME"
  exec 9>"$NODE_HOME/lock"
  flock -w 300 9 || die "another script has been at work in $NODE_HOME for 5 minutes"
}

kubectl() { "$NODE_BIN/kubectl" "$@"; }
images() { ctr -a "$containerd_socket" -n k8s.io images "$@"; }
