# Writes the configuration files of containerd, kubelet, kube-proxy and CoreDNS.

configure_containerd() {
  # Without CAP_SYS_RESOURCE, as on some virtual machines, runc cannot give a pod a negative score and fails.
  local restrict_oom_score_adj=true
  ! (echo -998 >/proc/self/oom_score_adj) 2>/dev/null || restrict_oom_score_adj=false
  cat >"$etc/cni/10-bridge.conflist" <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "$bridge", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$run/addresses", "routes": [{"dst": "0.0.0.0/0"}],
            "ranges": [[{"subnet": "$pod_cidr", "gateway": "$node_ip"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
END
  cat >"$etc/containerd.toml" <<END
version = 2
root = "$NODE_HOME/containerd"
state = "$run/containerd"
[grpc]
address = "$containerd_socket"
[plugins."io.containerd.internal.v1.opt"]
path = "$NODE_HOME/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "pause:1"
netns_mounts_under_state_dir = true
restrict_oom_score_adj = $restrict_oom_score_adj
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = "$etc/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
END
}

configure_kubelet() {
  cat >"$etc/kubelet.yaml" <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $node_ip
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $pki/ca.crt}
authorization: {mode: Webhook}
tlsCertFile: $pki/kubelet-serving.crt
tlsPrivateKeyFile: $pki/kubelet-serving.key
containerRuntimeEndpoint: unix://$containerd_socket
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
makeIPTablesUtilChains: false
clusterDomain: $domain
clusterDNS: [$node_ip]
podLogsDir: $log/pods
volumePluginDir: $NODE_HOME/kubelet/volume-plugins
imageGCHighThresholdPercent: 100 # never: an image made by hand cannot be pulled again
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%}
END
}

configure_proxy() {
  cat >"$etc/proxy.yaml" <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $etc/proxy.kubeconfig}
hostnameOverride: $node_name
mode: ${NODE_PROXY_MODE:-iptables}
clusterCIDR: $pod_cidr
nodePortAddresses: [$node_ip/32]
healthzBindAddress: $node_ip:10256
metricsBindAddress: $node_ip:10249
iptables: {localhostNodePorts: false}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
END
}

configure_dns() {
  local forward=
  ! grep -q '^nameserver' /etc/resolv.conf || forward='forward . /etc/resolv.conf'
  cat >"$etc/Corefile" <<END
. {
  bind $node_ip
  errors
  ready $node_ip:8181
  kubernetes $domain in-addr.arpa {
    kubeconfig $etc/dns.kubeconfig
    pods insecure
    fallthrough in-addr.arpa
    ttl 5
  }
  $forward
  cache {
    success 9984 5
    denial 9984 1
  }
  loadbalance
}
END
}
