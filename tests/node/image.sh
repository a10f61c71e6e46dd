#!/usr/bin/env bash
# image.sh NAME TAG ROOTFS_DIR_OR_BINARY [ENTRYPOINT...]
#
# Makes a container image without a registry and imports it where kubelet finds it.
# A directory becomes the root file system. A binary is put at /NAME, with the shared libraries
# it needs; it is also the entry point unless one is given. Pods name the image NAME:TAG and need
# `imagePullPolicy: IfNotPresent` or `Never` (the former is the default unless the tag is `latest`).
. "$(dirname "$0")/settings.sh"
[ $# -ge 3 ] || die "usage: image.sh NAME TAG ROOTFS_DIR_OR_BINARY [ENTRYPOINT...]"
name=$1 tag=$2 source=$3
shift 3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -d "$source" ]; then
  root=$source
elif [ -f "$source" ]; then
  root=$work/root
  binary=/$(basename "$name")
  mkdir -p "$root"/{etc,tmp,lib64,usr/bin}
  chmod 1777 "$root/tmp"
  printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
  [ ! -f /etc/ssl/certs/ca-certificates.crt ] ||
    install -Dm644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
  install -m755 "$source" "$root$binary"
  # ldd fails for a static binary, which needs nothing.
  if libraries=$(ldd "$source" 2>/dev/null); then
    grep -o '/[^ ]*' <<<"$libraries" | sort -u | while read -r library; do
      install -Dm755 "$library" "$root$library"
    done
  fi
  [ $# -gt 0 ] || set -- "$binary"
else
  die "$source: no such file or directory"
fi

tar -C "$root" --sort=name --numeric-owner --owner=0 --group=0 --mtime=@0 -cf "$work/layer.tar" .
digest=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
jq -n --arg arch "$arch" --arg digest "sha256:$digest" '{
    architecture: $arch, os: "linux", created: "1970-01-01T00:00:00Z",
    config: ({Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"], WorkingDir: "/"}
      + if $ARGS.positional == [] then {} else {Entrypoint: $ARGS.positional} end),
    rootfs: {type: "layers", diff_ids: [$digest]},
    history: [{created: "1970-01-01T00:00:00Z", created_by: "image.sh"}]
  }' --args -- "$@" >"$work/config.json"
jq -n --arg tag "$name:$tag" '[{Config: "config.json", RepoTags: [$tag], Layers: ["layer.tar"]}]' >"$work/manifest.json"
tar -C "$work" -cf "$work/image.tar" manifest.json config.json layer.tar
images import "$work/image.tar" >"$work/import.log" 2>&1 || die "import $name:$tag: $(cat "$work/import.log")"
say "image $name:$tag ($(($(stat -c %s "$work/layer.tar") / 1000)) kB)"
