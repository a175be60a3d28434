// Package image builds the container images that sparkchaos runs, as archives that need no registry and no Docker.
//
// There are seven:
//
//   - [Pause] holds a pod's namespaces;
//   - [Toolbox] is one static program with the small commands that tests and scenarios run in pods;
//   - [Staging] is the resource staging server with its clients, built from this repository;
//   - [Spark] is Spark itself with the workloads of this repository;
//   - [ChaosMesh] holds the programs of Chaos Mesh;
//   - [SparkOperator] is that of Spark with kubeflow's spark-operator;
//   - [KindNode] is a node of kind, for machines that can pull no image.
//
// Each returns an [Archive]: one tar file that is an OCI image layout and a docker-archive at once, so that containerd
// (ctr -n k8s.io images import), kind (kind load image-archive), docker load and podman load all read it.
//
// # Cache and determinism
//
// Everything is made in stages below [Env].Cache. A stage is known by a key, the hash of all that goes into it; a stage
// whose key is there is never made again. A stage is built in a directory of its own that is renamed when it is whole, so
// an interrupted build leaves nothing half-made, and a lock serialises two processes that want the same kind of stage.
// Of each kind the newest few stages are kept.
//
// Files in layers are sorted, carry fixed owners and the fixed modification time [Epoch], so a layer built again from the
// same inputs has the same bytes, and so have the images of [Pause], [Toolbox] and [Staging]. In the image of [Spark] one layer is the
// exception, the archive of prepared classes: Java does not dump the same bytes twice.
//
// # Where programs come from
//
// The sources of the small static programs (programs/) are embedded into this package, so the key of an image is known to an
// installed binary too. Compiling them needs a Go toolchain only when the image is not in the cache.
package image
