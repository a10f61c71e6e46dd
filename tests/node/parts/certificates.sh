# Makes the certificates and kubeconfigs that are missing.

authority() { # NAME
  [ -s "$pki/$1.crt" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
    -subj "/CN=$1" -addext keyUsage=critical,keyCertSign,cRLSign,digitalSignature \
    -keyout "$pki/$1.key" -out "$pki/$1.crt" 2>>"$log/openssl.log"
}

certificate() { # NAME SUBJECT [SUBJECT_ALTERNATIVE_NAMES [AUTHORITY]]
  local file=$pki/$1 ca=$pki/${4:-ca} extensions=extendedKeyUsage=clientAuth
  [ ! -s "$file.crt" ] || return 0
  [ -z "${3:-}" ] || extensions=$(printf 'extendedKeyUsage=clientAuth,serverAuth\nsubjectAltName=%s' "$3")
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "$2" \
    -keyout "$file.key" -out "$file.csr" 2>>"$log/openssl.log"
  openssl x509 -req -in "$file.csr" -CA "$ca.crt" -CAkey "$ca.key" -set_serial "0x$(openssl rand -hex 8)" -days 3650 \
    -extfile <(printf '%s\n' "$extensions") -out "$file.crt" 2>>"$log/openssl.log"
  rm "$file.csr"
}

kubeconfig() { # FILE CERTIFICATE
  [ ! -s "$1" ] || return 0
  (
    umask 077
    cat >"$1" <<END
apiVersion: v1
kind: Config
clusters:
- name: node
  cluster:
    server: https://$node_ip:6443
    certificate-authority-data: $(base64 -w0 "$pki/ca.crt")
users:
- name: $2
  user:
    client-certificate-data: $(base64 -w0 "$pki/$2.crt")
    client-key-data: $(base64 -w0 "$pki/$2.key")
contexts:
- name: node
  context: {cluster: node, user: $2}
current-context: node
END
  )
}

make_certificates() {
  local user
  authority ca
  authority front-proxy-ca
  certificate apiserver /CN=kube-apiserver "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,\
DNS:kubernetes.default.svc.$domain,DNS:localhost,IP:$api_service_ip,IP:$node_ip,IP:127.0.0.1"
  certificate kubelet-serving "/O=system:nodes/CN=system:node:$node_name" "DNS:$node_name,IP:$node_ip"
  certificate kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
  certificate front-proxy /CN=front-proxy '' front-proxy-ca
  certificate kubelet "/O=system:nodes/CN=system:node:$node_name"
  certificate controller-manager /CN=system:kube-controller-manager
  certificate scheduler /CN=system:kube-scheduler
  certificate proxy /CN=system:kube-proxy
  certificate dns /CN=system:coredns
  certificate admin /O=system:masters/CN=admin
  if [ ! -s "$pki/service-account.pub" ]; then
    openssl genrsa -out "$pki/service-account.key" 2048 2>>"$log/openssl.log"
    openssl rsa -in "$pki/service-account.key" -pubout -out "$pki/service-account.pub" 2>>"$log/openssl.log"
  fi
  for user in kubelet controller-manager scheduler proxy dns; do kubeconfig "$etc/$user.kubeconfig" "$user"; done
  kubeconfig "$KUBECONFIG" admin
}
