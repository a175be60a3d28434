// Package kind makes clusters whose nodes are containers, by kind's own library, and disturbs the nodes as machines: by
// the container engine, and inside their network namespaces.
//
// A node's disk is its volume /var, which outlives the container's processes. All nodes share one directory of this
// machine, so that a volume can outlive any of them.
package kind
