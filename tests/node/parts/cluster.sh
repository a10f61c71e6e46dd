# Starts the node's processes, in an order in which each finds what it needs.

start_containerd() {
  start containerd containerd --config "$etc/containerd.toml"
  wait_for containerd 30 ctr -a "$containerd_socket" version
}

start_etcd() {
  start etcd "$NODE_BIN/etcd" --name node --data-dir "$NODE_HOME/etcd" \
    --listen-client-urls "http://127.0.0.1:$etcd_port" --advertise-client-urls "http://127.0.0.1:$etcd_port" \
    --listen-peer-urls "http://127.0.0.1:$((etcd_port + 1))" \
    --initial-advertise-peer-urls "http://127.0.0.1:$((etcd_port + 1))" \
    --initial-cluster "node=http://127.0.0.1:$((etcd_port + 1))" \
    --auto-compaction-mode revision --auto-compaction-retention 10000
}

start_api_server() {
  start kube-apiserver "$NODE_BIN/kube-apiserver" \
    --etcd-servers "http://127.0.0.1:$etcd_port" \
    --bind-address "$node_ip" --advertise-address "$node_ip" --secure-port 6443 \
    --service-cluster-ip-range "$service_cidr" \
    --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction --allow-privileged \
    --client-ca-file "$pki/ca.crt" --cert-dir "$pki" \
    --tls-cert-file "$pki/apiserver.crt" --tls-private-key-file "$pki/apiserver.key" \
    --kubelet-certificate-authority "$pki/ca.crt" --kubelet-preferred-address-types InternalIP \
    --kubelet-client-certificate "$pki/kubelet-client.crt" --kubelet-client-key "$pki/kubelet-client.key" \
    --service-account-issuer "https://kubernetes.default.svc.$domain" \
    --service-account-key-file "$pki/service-account.pub" \
    --service-account-signing-key-file "$pki/service-account.key" \
    --requestheader-client-ca-file "$pki/front-proxy-ca.crt" --requestheader-allowed-names front-proxy \
    --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
    --requestheader-extra-headers-prefix X-Remote-Extra- \
    --proxy-client-cert-file "$pki/front-proxy.crt" --proxy-client-key-file "$pki/front-proxy.key"
}

start_kubelet() {
  start kubelet "$NODE_BIN/kubelet" --config "$etc/kubelet.yaml" --kubeconfig "$etc/kubelet.kubeconfig" \
    --root-dir "$NODE_HOME/kubelet" --hostname-override "$node_name" --node-ip "$node_ip"
}

start_controllers() {
  start kube-controller-manager "$NODE_BIN/kube-controller-manager" --kubeconfig "$etc/controller-manager.kubeconfig" \
    --authentication-kubeconfig "$etc/controller-manager.kubeconfig" \
    --authorization-kubeconfig "$etc/controller-manager.kubeconfig" \
    --bind-address "$node_ip" --leader-elect=false --use-service-account-credentials \
    --service-account-private-key-file "$pki/service-account.key" --root-ca-file "$pki/ca.crt" \
    --cluster-signing-cert-file "$pki/ca.crt" --cluster-signing-key-file "$pki/ca.key" \
    --flex-volume-plugin-dir "$NODE_HOME/kubelet/volume-plugins" --enable-hostpath-provisioner
  start kube-scheduler "$NODE_BIN/kube-scheduler" --kubeconfig "$etc/scheduler.kubeconfig" \
    --authentication-kubeconfig "$etc/scheduler.kubeconfig" --authorization-kubeconfig "$etc/scheduler.kubeconfig" \
    --bind-address "$node_ip" --leader-elect=false
  start kube-proxy "$NODE_BIN/kube-proxy" --config "$etc/proxy.yaml"
}

# What the node's own programs need, and a default for volumes.
apply_basics() {
  kubectl apply -f - >"$log/apply.log" <<END
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: coredns}
rules:
- {apiGroups: [""], resources: [services, pods, namespaces], verbs: [list, watch]}
- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: coredns}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: coredns}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: system:coredns}]
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata:
  name: hostpath
  annotations: {storageclass.kubernetes.io/is-default-class: "true"}
provisioner: kubernetes.io/host-path
END
}

start_dns() {
  start coredns "$NODE_BIN/coredns" -conf "$etc/Corefile"
}

node_ready() { # SINCE: as this kubelet says, not as the one before it said
  local condition='{range .status.conditions[?(@.type=="Ready")]}{.status} {.lastHeartbeatTime}{end}' status heartbeat
  read -r status heartbeat <<<"$(kubectl get node "$node_name" -o jsonpath="$condition")"
  [ "$status" = True ] && [[ ! $heartbeat < $1 ]]
}

await_node() { # SINCE
  wait_for kubelet 120 node_ready "$1"
  wait_for kube-controller-manager 60 kubectl get serviceaccount default
  wait_for kube-scheduler 30 bash -c "exec 3<>/dev/tcp/$node_ip/10259"
  wait_for kube-proxy 30 bash -c "exec 3<>/dev/tcp/$node_ip/10256"
  wait_for coredns 30 bash -c "exec 3<>/dev/tcp/$node_ip/8181; printf 'GET /ready HTTP/1.0\r\n\r\n' >&3; grep -q ' 200 ' <&3"
}
