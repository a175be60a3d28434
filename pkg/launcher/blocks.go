package launcher

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PodGroup is the group that the image of the harness's own program runs as, which is that of Spark's.
const PodGroup = 185

// NodeOf is the node on which pods with the labels run.
func NodeOf(labels map[string]string) corev1.PodAffinityTerm {
	return corev1.PodAffinityTerm{LabelSelector: &metav1.LabelSelector{MatchLabels: labels}, TopologyKey: corev1.LabelHostname}
}

// beside makes the scheduler prefer the node of another role's pod.
func beside(role string, env Environment) *corev1.Affinity {
	if role == "" {
		return nil
	}
	return &corev1.Affinity{PodAffinity: &corev1.PodAffinity{
		PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{{
			Weight: 100, PodAffinityTerm: NodeOf(map[string]string{RunLabel: env.RunID, RoleLabel: role}),
		}},
	}}
}
