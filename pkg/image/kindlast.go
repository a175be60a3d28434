package image

// LastKindNode returns the node image that [KindNode] made last; it builds nothing.
func LastKindNode(env Env) (Archive, error) { return env.last("kind-node") }
