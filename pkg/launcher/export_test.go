package launcher

import (
	"context"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// These names are exported for the tests, which stand outside of the package because the components import it.
const (
	TemplateFile       = templateFile
	ConfSecretName     = confSecretName
	ConfSecretKey      = confSecretKey
	ConfSecretMount    = confSecretMount
	ServiceAccountName = serviceAccountName
	PolicyProbe        = policyProbe
	RedactionSetting   = redactionSetting
	SharedVolume       = sharedVolume
	Mebibyte           = mebibyte
)

func SettingsOf(w scenario.Workload, env Environment, components []Component) map[string]string {
	l := Launch{Workload: w, Env: env, Image: "image"}
	by, err := LauncherOf(w)
	if err != nil {
		panic(err)
	}
	return settingsOf(by, l, extensionsOf(l, components))
}

func JoinList(separator string, lists ...string) string    { return joinList(separator, lists...) }
func Rules(settings map[string]string) []rbacv1.PolicyRule { return rules(settings) }
func ParseMemory(text string) (int64, error)               { return parseMemory(text) }
func Properties(values map[string]string) (string, error)  { return properties(values) }
func CutOff(r rune) bool                                   { return cutOff(r) }
func Contents(ctx context.Context, client kubernetes.Interface, namespace string) ([]string, error) {
	return contents(ctx, client, namespace)
}
