// Package kubelab starts a whole Kubernetes on loopback for tests: etcd, the API server, the controller manager and the
// scheduler are the real ones; kwok plays the nodes and the pods on them, so that no container runs.
//
// All of it is one program, built once from the module in binary/ and kept outside of the working tree: [Binary]. The
// first build takes 5 to 15 minutes and 4 GB of caches; later starts take 5 seconds. [Supported] says why it cannot be
// had here. No root is needed. The package needs nothing of the testing package; tests use kubelabtest, people use
// cmd/kubelab.
//
// Start reading at [Start].
package kubelab
