#!/usr/bin/env bash
# Proves on the running node that it does what a cluster does. Works in the namespace `check` and deletes it.
. "$(dirname "$0")/settings.sh"
command -v curl >/dev/null || die "needs curl"
tag() { images ls -q | sed 's#.*/##' | grep "^$1:" | head -n1 || true; } # NAME: prints NAME:TAG
busybox=$(tag busybox) nats=$(tag nats)
[ -n "$(tag kubectl)" ] || "$here/image.sh" kubectl 1 "$NODE_BIN/kubectl"
k() { kubectl -n check "$@"; }
retry() { # SECONDS COMMAND...
  local end=$((SECONDS + $1))
  shift
  until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.3; done
}
failed=0
step() { # WHAT COMMAND...
  local what=$1 from=${EPOCHREALTIME/./} output
  shift
  if output=$("$@" 2>&1); then
    printf 'ok   %5d ms  %s\n' $(((${EPOCHREALTIME/./} - from) / 1000)) "$what"
  else
    printf 'FAIL           %s\n%s\n' "$what" "$output"
    failed=$((failed + 1))
  fi
}
is() { [ "$1" = "$2" ] || { echo "got '$1', expected '$2'"; return 1; }; }
client() { k exec client -- timeout 5 "$@"; }

deployment() {
  k create deployment web --image="$busybox" --replicas=2 -- sh -c \
    'mkdir /www; hostname >/www/index.html; echo serving; exec httpd -f -p 8080 -h /www' &&
    k run client --image="$busybox" -- sleep 100000 && k rollout status deployment/web --timeout=60s &&
    k wait --for=condition=Ready pod/client --timeout=60s
}
logs() { is "$(k logs -l app=web)" $'serving\nserving'; }
exec_stdin() { is "$(echo hello | k exec -i client -- sh -c 'cat; exit 0')" hello; }
port_forward() {
  local pid status=0
  "$NODE_BIN/kubectl" -n check port-forward deployment/web 18081:8080 >/dev/null 2>&1 &
  pid=$!
  retry 10 curl -sf http://127.0.0.1:18081/ || status=1
  kill $pid
  return $status
}
cluster_ip() {
  k expose deployment web --port=80 --target-port=8080 || return
  local ip
  ip=$(k get service web -o jsonpath='{.spec.clusterIP}')
  retry 10 client wget -qO- "http://$ip/" && retry 10 curl -sf -m2 "http://$ip/"
}
dns_name() {
  client wget -qO- http://web/ && client wget -qO- http://web.check.svc/ &&
    client wget -qO- http://web.check.svc.cluster.local/
}
balanced() {
  is "$(k exec client -- sh -c 'for i in $(seq 40); do wget -qO- http://web/; done' | sort -u | wc -l)" 2
}
hairpin() { k exec deployment/web -- sh -c 'for i in $(seq 20); do wget -qO- http://web/ || exit 1; done'; }
node_port() {
  k expose deployment web --name=web-node --type=NodePort --port=80 --target-port=8080 || return
  retry 10 curl -sf -m2 "http://$node_ip:$(k get service web-node -o jsonpath='{.spec.ports[0].nodePort}')/"
}
host_port() {
  k run host-port --image="$busybox" --port=8080 --overrides='{"apiVersion": "v1", "spec": {"containers": [{
    "name": "host-port", "image": "'"$busybox"'", "command": ["httpd", "-f", "-p", "8080", "-h", "/etc"],
    "ports": [{"containerPort": 8080, "hostPort": 18080}]}]}}' || return
  retry 20 curl -sf -m2 "http://$node_ip:18080/passwd"
}
token() {
  k create serviceaccount reader && k create role reader --verb=list --resource=pods &&
    k create rolebinding reader --role=reader --serviceaccount=check:reader || return
  k run reader --image=kubectl:1 --restart=Never --env=KUBERNETES_SERVICE_HOST=kubernetes.default.svc \
    --overrides='{"apiVersion": "v1", "spec": {"serviceAccountName": "reader"}}' -- get pods -o name &&
    retry 30 sh -c '"$0" -n check logs reader | grep -x pod/client' "$NODE_BIN/kubectl"
}
denied() {
  k run denied --image=kubectl:1 --restart=Never -- get secrets &&
    retry 30 sh -c '"$0" -n check logs denied | grep "is forbidden"' "$NODE_BIN/kubectl"
}
memory_limit() {
  k run oom --image="$busybox" --restart=Never --overrides='{"apiVersion": "v1", "spec": {"containers": [{
    "name": "oom", "image": "'"$busybox"'", "command": ["sh", "-c", "head -c 200m /dev/zero | tail; exit 3"],
    "resources": {"limits": {"memory": "64Mi"}}}]}}' &&
    k wait --for=jsonpath='{.status.containerStatuses[0].state.terminated}' pod/oom --timeout=60s || return
  # The kernel kills one process of the group; the runtime tells of it whether or not it was the first.
  is "$(k get pod oom -o jsonpath='{.status.containerStatuses[0].state.terminated.reason}')" OOMKilled
}
cpu_limit() {
  k run busy --image="$busybox" --restart=Never --overrides='{"apiVersion": "v1", "spec": {"containers": [{
    "name": "busy", "image": "'"$busybox"'", "command": ["timeout", "5", "sh", "-c", "while :; do :; done"],
    "resources": {"limits": {"cpu": "100m", "memory": "16Mi"}}}]}}' &&
    k wait --for=jsonpath='{.status.containerStatuses[0].state.running}' pod/busy --timeout=60s && sleep 2 &&
    k exec busy -- sh -c 'cat /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpu/cpu.stat 2>/dev/null; true' |
    grep -E '^nr_throttled [1-9]'
}
replaced() {
  local pod
  pod=$(k get pods -l app=web -o jsonpath='{.items[0].metadata.name}')
  k delete pod "$pod" --grace-period=1 && k rollout status deployment/web --timeout=60s || return
  ! k get pod "$pod"
}
restarted() {
  k run crash --image="$busybox" -- sh -c 'sleep 1; exit 1' &&
    retry 30 sh -c '[ "$("$0" -n check get pod crash -o jsonpath="{..restartCount}")" -ge 1 ]' "$NODE_BIN/kubectl"
}
nats() {
  k apply -f - <<END || return
apiVersion: v1
kind: Service
metadata: {name: nats}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector: {app: nats}
  ports: [{name: client, port: 4222}, {name: cluster, port: 6222}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: nats}
data:
  nats.conf: |
    server_name: \$POD
    http: 8222
    jetstream { store_dir: /data, max_mem: 64M, max_file: 256M }
    cluster {
      name: check, listen: 0.0.0.0:6222
      routes: [nats://nats-0.nats:6222, nats://nats-1.nats:6222, nats://nats-2.nats:6222]
    }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: nats}
spec:
  serviceName: nats
  replicas: 3
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: nats}}
  template:
    metadata: {labels: {app: nats}}
    spec:
      terminationGracePeriodSeconds: 10
      containers:
      - name: nats
        image: $nats
        args: [-c, /etc/nats/nats.conf]
        env: [{name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]
        resources: {limits: {memory: 128Mi, cpu: 500m}}
        readinessProbe: {httpGet: {path: /healthz, port: 8222}, periodSeconds: 1}
        volumeMounts: [{name: data, mountPath: /data}, {name: config, mountPath: /etc/nats}]
      volumes: [{name: config, configMap: {name: nats}}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
END
  k rollout status statefulset/nats --timeout=120s &&
    retry 30 sh -c '"$0" -n check exec client -- wget -qO- http://nats-0.nats:8222/jsz |
      grep -q "\"cluster_size\": 3"' "$NODE_BIN/kubectl"
}
request() { # SUBJECT BODY: prints the reply
  client sh -c '
    { printf "CONNECT {\"verbose\":false}\r\nSUB reply 1\r\nPUB %s reply %d\r\n%s\r\n" "$1" "${#2}" "$2"; sleep 2; } |
      nc nats.check.svc.cluster.local 4222' - "$@" | tr -d '\r' | grep '^{'
}
published() { request events.a "message $1" | grep '"seq":'"$1"; } # SEQUENCE
stored() {
  request '$JS.API.STREAM.CREATE.events' '{"name":"events","subjects":["events.>"],"num_replicas":3}' |
    grep '"num_replicas":3' && published 1 || return
  k delete pod nats-0 nats-1 nats-2 && k rollout status statefulset/nats --timeout=120s &&
    retry 30 sh -c '"$0" -n check exec client -- wget -qO- http://nats-0.nats:8222/jsz?streams=1 |
      grep -q "\"messages\": 1"' "$NODE_BIN/kubectl" && retry 20 published 2
}
reclaimed() {
  k delete deployment,statefulset,pod --all --grace-period=1 && kubectl delete namespace check --timeout=120s &&
    retry 30 sh -c '[ -z "$(ls "$0")" ] && [ -z "$("$1" get pv -o name)" ]' "$volumes/" "$NODE_BIN/kubectl"
}

kubectl delete namespace check --ignore-not-found >/dev/null
kubectl create namespace check >/dev/null
retry 20 k get serviceaccount default >/dev/null 2>&1
step 'a Deployment of 2 replicas and a pod run' deployment
step 'kubectl logs' logs
step 'kubectl exec with standard input' exec_stdin
step 'kubectl port-forward' port_forward
step 'a Service answers by ClusterIP, in a pod and on the node' cluster_ip
step 'a Service answers by DNS name' dns_name
step 'a Service spreads over both pods' balanced
step 'a pod reaches itself through its Service' hairpin
step 'a NodePort answers' node_port
step 'a hostPort answers' host_port
step 'a pod lists pods at kubernetes.default.svc with its token' token
step 'RBAC forbids what was not granted' denied
step 'the memory limit is enforced' memory_limit
step 'the CPU limit is enforced' cpu_limit
step 'a deleted pod is replaced' replaced
step 'a container that ended is started again' restarted
step '3 NATS servers with claimed volumes form a JetStream cluster' nats
step 'a stream of 3 replicas outlives all its pods' stored
step 'volumes are deleted with their claims' reclaimed
[ $failed = 0 ] || die "$failed failed"
