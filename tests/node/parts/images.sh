# Makes the images that the node starts with: pause, busybox, and NATS with a shell beside it.

make_images() {
  local busybox busybox_version nats_version have root=$run/root
  busybox=$(find_busybox) || die "busybox-static is installed, but there is no static busybox"
  busybox_version=$("$busybox" | sed -n '1s/^BusyBox v\([0-9.]*\).*/\1/p')
  nats_version=$("$NODE_BIN/nats-server" --version | sed 's/.*v//')
  have=$(images ls -q | sed 's#.*/##')
  has_image pause:1 || "$here/image.sh" pause 1 "$NODE_BIN/pause"
  if has_image "busybox:$busybox_version" && has_image "nats:$nats_version"; then return; fi

  busybox_root "$busybox" "$root"
  "$here/image.sh" busybox "$busybox_version" "$root"
  install -m755 "$NODE_BIN/nats-server" "$root/nats-server"
  ln -s /nats-server "$root/usr/local/bin/nats-server"
  "$here/image.sh" nats "$nats_version" "$root" /nats-server
  rm -rf "$root"
}

has_image() { grep -qxF "$1" <<<"$have"; } # NAME:TAG

busybox_root() { # BUSYBOX FOLDER
  local applet
  rm -rf "$2"
  mkdir -p "$2"/{bin,etc,tmp,usr/local/bin}
  chmod 1777 "$2/tmp"
  install -m755 "$1" "$2/bin/busybox"
  for applet in $("$1" --list); do [ "$applet" = busybox ] || ln -s busybox "$2/bin/$applet"; done
  ln -s ../bin "$2/usr/bin"
  printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$2/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$2/etc/group"
}
