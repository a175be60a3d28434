package nodeobject

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// sameTaint reports whether two taints are the same in key, value and effect.
func sameTaint(a, b corev1.Taint) bool { return a.MatchTaint(&b) && a.Value == b.Value }

func hasTaint(node *corev1.Node, taint corev1.Taint) bool {
	return slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return sameTaint(t, taint) })
}

// taintsOf writes a node's taints for people.
func taintsOf(node *corev1.Node) string {
	var all []string
	for _, taint := range node.Spec.Taints {
		all = append(all, taint.ToString())
	}
	if len(all) == 0 {
		return "none"
	}
	return strings.Join(all, ", ")
}
