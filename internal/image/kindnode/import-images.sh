#!/bin/sh
# Imports the images that the node image brings into containerd, once in the life of the node's volume /var: the mark lies
# beside what was imported, and is named after the content.
set -eu

# The entrypoint may have chosen another snapshotter than overlayfs.
snapshotter=$(sed -n 's/^ *snapshotter = "\(.*\)"/\1/p' /etc/containerd/config.toml | head -n 1)

for archive in /kind/images/*.tar; do
  mark=/var/lib/containerd/imported-$(basename "$archive" .tar)
  if [ -e "$mark" ]; then
    continue
  fi
  # Only "--local" can drop layers once they are unpacked.
  ctr --namespace k8s.io images import --local --discard-unpacked-layers --snapshotter "${snapshotter:-overlayfs}" "$archive"
  touch "$mark"
done
