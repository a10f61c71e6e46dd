#!/usr/bin/env bash
# Brings up a Kubernetes of one node from the programs in NODE_BIN and Debian packages, without a
# registry. What is made or running already is left as it is. Exit status 3: this machine cannot.
#
#   NODE_HOME        all state; default ${XDG_CACHE_HOME:-~/.cache}/tiphys/node
#   NODE_BIN         the programs; default $NODE_HOME/bin
#   NODE_PROXY_MODE  kube-proxy's mode: iptables (default) or nftables
. "$(dirname "$0")/settings.sh"
for part in processes requirements certificates configuration images cluster; do . "$here/parts/$part.sh"; done

main() {
  local began=$SECONDS since=
  [ "$(uname -s)" = Linux ] || unable "needs Linux"
  [ "$(id -u)" = 0 ] || unable "needs root: it makes network devices, mounts and cgroups"
  [ ${#containerd_socket} -le 90 ] || die "NODE_HOME is too long for a unix socket: $NODE_HOME"
  lock
  mkdir -p "$pki" "$etc/cni" "$run" "$log" "$NODE_HOME"/{etcd,volumes,containerd,kubelet}
  chmod 700 "$pki"

  install_packages
  prepare_kernel
  prepare_network
  prepare_volumes
  make_certificates
  configure_containerd
  configure_kubelet
  configure_proxy
  configure_dns

  start_etcd
  start_api_server
  start_containerd
  make_images
  wait_for kube-apiserver 90 kubectl get --raw=/readyz
  pid_of kubelet >/dev/null || since=$(date -u +%FT%TZ)
  start_kubelet
  start_controllers
  apply_basics
  start_dns
  await_node "$since"
  say "the node is ready after $((SECONDS - began)) s"
}

main "$@"
