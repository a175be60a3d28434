package launcher_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	. "github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/witnessserver"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

func TestUsersConfWins(t *testing.T) {
	t.Parallel()
	plain := SettingsOf(wordCount(), environment(), components.All())
	for key, was := range plain {
		w := wordCount()
		w.Conf = plainConf(map[string]string{key: "the-users"})
		s := SettingsOf(w, environment(), components.All())
		want := "the-users"
		switch key {
		case "spark.plugins":
			want = "dev.sparkchaos.witness.WitnessPlugin" + ",the-users"
		case "spark.driver.extraClassPath", "spark.executor.extraClassPath":
			want = "the-users:/opt/sparkchaos-witness/witness.jar"
		}
		if got := s[key]; got != want {
			t.Errorf("%s = %q when the user sets it, want %q", key, got, want)
		}
		rest, wantRest := s, SettingsOf(wordCount(), environment(), components.All())
		delete(rest, key)
		delete(wantRest, key)
		if diff := cmp.Diff(wantRest, rest); diff != "" {
			t.Errorf("setting %s (%q before) changes other settings (-want +got):\n%s", key, was, diff)
		}
	}
}

func TestWithoutWitnessTheUsersListsAreLeftAlone(t *testing.T) {
	t.Parallel()
	env := environment()
	env.Witness = Witness{}
	w := wordCount()
	w.Conf = plainConf(map[string]string{"spark.plugins": "a,b", "spark.driver.extraClassPath": "/x"})
	got := SettingsOf(w, env, components.All())
	if got["spark.plugins"] != "a,b" || got["spark.driver.extraClassPath"] != "/x" {
		t.Errorf("plugins %q and class path %q, want the user's alone", got["spark.plugins"], got["spark.driver.extraClassPath"])
	}
	for key := range got {
		if strings.HasPrefix(key, "spark.sparkchaos.") {
			t.Errorf("%s is set without a witness", key)
		}
	}
}

func TestWitnessByOneWayOnly(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		witness Witness
		want    map[string]string
	}{
		{Witness{URL: "http://h:1"}, map[string]string{"spark.sparkchaos.witness.url": "http://h:1"}},
		{Witness{Directory: "/d"}, map[string]string{"spark.sparkchaos.witness.dir": WitnessDirectory}},
	} {
		got := witnessserver.Component{}.Extend(Launch{Env: Environment{Witness: tc.witness}}).Settings
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("settings for %+v (-want +got):\n%s", tc.witness, diff)
		}
		env := environment()
		env.Witness = tc.witness
		if s := SettingsOf(wordCount(), env, components.All()); s["spark.plugins"] != "dev.sparkchaos.witness.WitnessPlugin" {
			t.Errorf("spark.plugins = %q for %+v, want the witness", s["spark.plugins"], tc.witness)
		}
	}
}

func TestJoinList(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		lists []string
		want  string
	}{
		{[]string{"a", ""}, "a"},
		{[]string{"a", " b , c"}, "a,b,c"},
		{[]string{"a", "b,a,,b"}, "a,b"},
		{[]string{"", " "}, ""},
	} {
		if got := JoinList(",", tc.lists...); got != tc.want {
			t.Errorf("JoinList(%q) = %q, want %q", tc.lists, got, tc.want)
		}
	}
}

func TestRulesFollowTheSettings(t *testing.T) {
	t.Parallel()
	creates := func(settings map[string]string, resource string) bool {
		for _, rule := range Rules(settings) {
			if rule.Resources[0] == resource {
				return strings.Contains(strings.Join(rule.Verbs, " "), "create")
			}
		}
		return false
	}
	noConfigMap := map[string]string{"spark.kubernetes.executor.disableConfigMap": "true"}
	claims := map[string]string{"spark.kubernetes.executor.volumes.persistentVolumeClaim.x.mount.path": "/x"}
	for _, tc := range []struct {
		settings map[string]string
		resource string
		want     bool
	}{
		{noConfigMap, "pods", true},
		{noConfigMap, "services", false},
		{noConfigMap, "configmaps", false},
		{noConfigMap, "persistentvolumeclaims", false},
		{nil, "configmaps", true},
		{claims, "persistentvolumeclaims", true},
	} {
		if got := creates(tc.settings, tc.resource); got != tc.want {
			t.Errorf("may the driver create %s with %v? %v, want %v", tc.resource, tc.settings, got, tc.want)
		}
	}
}

func TestDriverMemory(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		conf map[string]string
		want string // the quantity
		err  string // a part of the error
	}{
		{nil, "896Mi", ""},
		{map[string]string{"spark.driver.memory": "10g"}, "11Gi", ""},
		{map[string]string{"spark.driver.memory": "10G", "spark.driver.memoryOverheadFactor": "0.4"}, "14Gi", ""},
		{map[string]string{"spark.driver.memory": "524288k", "spark.driver.minMemoryOverhead": "512"}, "1Gi", ""},
		{map[string]string{"spark.driver.memory": "1024", "spark.driver.memoryOverhead": "0"}, "1Gi", ""},
		{map[string]string{"spark.driver.memory": "lots"}, "", `spark.driver.memory: "lots" is not a size`},
		{map[string]string{"spark.driver.memory": "1x"}, "", `unknown unit`},
		{map[string]string{"spark.driver.memory": "9223372036854775807p"}, "", "more than any machine has"},
		{map[string]string{"spark.driver.memory": "-1g"}, "", "is not a size"},
		{map[string]string{"spark.driver.memoryOverheadFactor": "NaN"}, "", `memoryOverheadFactor is "NaN"`},
		{map[string]string{"spark.driver.memoryOverhead": ""}, "", "spark.driver.memoryOverhead"},
	} {
		w := wordCount()
		w.Conf = plainConf(tc.conf)
		o, err := Render(w, environment(), components.All())
		if tc.err != "" {
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Errorf("Render with %v = %v, want an error with %s", tc.conf, err, tc.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("Render with %v: %v", tc.conf, err)
			continue
		}
		resources := o.Driver.Spec.Containers[0].Resources
		request, limit := resources.Requests.Memory().String(), resources.Limits.Memory().String()
		if request != tc.want || limit != tc.want {
			t.Errorf("driver memory with %v: request %s, limit %s, want %s", tc.conf, request, limit, tc.want)
		}
	}
}

func FuzzParseMemory(f *testing.F) {
	for _, seed := range []string{"512m", "1g", "", "m", "9999999999999999999g", "1.5g", "1 g", "١m"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		mib, err := ParseMemory(text)
		if err == nil && (mib < 0 || mib*Mebibyte < 0) {
			t.Errorf("ParseMemory(%q) = %d MiB", text, mib)
		}
	})
}

func TestRenderIsPure(t *testing.T) {
	t.Parallel()
	w := wordCount()
	w.Conf = plainConf(map[string]string{"spark.plugins": "a", "spark.x": "1", "spark.y": "2"})
	given := scenario.Workload{Conf: plainConf(map[string]string{"spark.plugins": "a", "spark.x": "1", "spark.y": "2"})}.Conf
	var first []byte
	for range 20 {
		o, err := Render(w, environment(), components.All())
		if err != nil {
			t.Fatal(err)
		}
		text, err := o.YAML()
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = text
		}
		if diff := cmp.Diff(string(first), string(text)); diff != "" {
			t.Fatalf("rendered twice (-first +second):\n%s", diff)
		}
	}
	if diff := cmp.Diff(given, w.Conf); diff != "" {
		t.Errorf("rendering changed the user's conf (-before +after):\n%s", diff)
	}
}

func TestRenderNamesEverythingThatIsWrong(t *testing.T) {
	t.Parallel()
	env := Environment{
		RunID: "a b", Namespace: "No_Namespace", PullPolicy: "Sometimes", StorageClass: "UPPER", Nodes: []string{"worker-1"},
		Witness: Witness{URL: "ftp://x", Directory: "relative/../x", Interval: 1},
		Source:  Source{URL: "x", Port: 99999},
	}
	w := scenario.Workload{
		Application: scenario.Application{Name: "Word Count"},
		Driver:      scenario.Driver{Kind: "Deployment", Cores: "many", Memory: "x", NodeName: "worker-9"},
	}
	_, err := Render(w, env, components.All())
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		`run ID "a b"`, `namespace "No_Namespace"`, `pull policy "Sometimes"`, `storage class "UPPER"`, `witness URL "ftp://x"`,
		`witness directory "relative/../x"`, `witness interval "1ns"`, `the witness's jar has 0 bytes`, `source URL "x"`,
		`source host and port ":99999"`,
		`application.name "Word Count"`, `mainClass is missing`, `image is missing`, `driver.kind is "Deployment"`, `driver.cores "many"`,
		`spark.driver.memory: "x"`, `executors are 0 with 0 cores`, `executors.memory: ""`, `executors.requestCores ""`,
		`driver.nodeName is "worker-9", which is none of the cluster's nodes ["worker-1"]`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %s:\n%v", want, err)
		}
	}
	w = wordCount()
	w.Driver.PodReplacementPolicy = "Never"
	if _, err := Render(w, environment(), components.All()); err == nil || !strings.Contains(err.Error(), `podReplacementPolicy is "Never"`) {
		t.Errorf("Render with podReplacementPolicy Never = %v", err)
	}
}

func TestRenderTakesTheWorkloadsJarWhenNoneIsNamed(t *testing.T) {
	t.Parallel()
	w := wordCount()
	w.Application.Jar = ""
	o, err := Render(w, environment(), components.All())
	if err != nil {
		t.Fatal(err)
	}
	args := strings.Join(o.Driver.Spec.Containers[0].Args, " ")
	if !strings.HasSuffix(args, " --class dev.sparkchaos.workloads.WordCount local:///opt/spark/workloads/workloads.jar --partitions=24 "+
		"--task-ms=500") {
		t.Errorf("the driver's arguments end otherwise: %s", args)
	}
}

// plainConf are settings that are not secret.
func plainConf(settings map[string]string) map[string]scenario.ConfValue {
	conf := map[string]scenario.ConfValue{}
	for key, value := range settings {
		conf[key] = scenario.Plain(value)
	}
	return conf
}

func TestTheEventLogGoesToTheNodesDisk(t *testing.T) {
	t.Parallel()
	where := func(env Environment, conf map[string]string) string {
		w := wordCount()
		w.Conf = plainConf(conf)
		return SettingsOf(w, env, components.All())["spark.eventLog.dir"]
	}
	noDisk := environment()
	noDisk.Witness.Directory = ""
	enabled := map[string]string{"spark.eventLog.enabled": "true"}
	for want, got := range map[string]string{
		"file:///witness": where(environment(), enabled),
		"s3a://logs":      where(environment(), map[string]string{"spark.eventLog.enabled": "true", "spark.eventLog.dir": "s3a://logs"}),
	} {
		if got != want {
			t.Errorf("the event log goes to %q, want %q", got, want)
		}
	}
	if got := where(noDisk, enabled) + where(environment(), nil); got != "" {
		t.Errorf("nobody asked for an event log on a disk that can be read, and it goes to %q", got)
	}
}

func TestMetricsAreOfferedWhereTheUIIs(t *testing.T) {
	t.Parallel()
	const on, prometheus = "spark.ui.enabled", "spark.ui.prometheus.enabled"
	const class, path = "spark.metrics.conf.driver.sink.prometheusServlet.class", "spark.metrics.conf.driver.sink.prometheusServlet.path"
	for name, tt := range map[string]struct {
		conf         map[string]string
		port         int
		served, path string
	}{
		"nobody asks for the UI":    {nil, 0, "", ""},
		"the UI":                    {map[string]string{on: "true"}, 4040, "true", "/metrics/driver/prometheus"},
		"another port":              {map[string]string{on: "true", "spark.ui.port": "4050"}, 4050, "true", "/metrics/driver/prometheus"},
		"any port":                  {map[string]string{on: "true", "spark.ui.port": "0"}, 0, "true", "/metrics/driver/prometheus"},
		"no port":                   {map[string]string{on: "true", "spark.ui.port": "x"}, 0, "true", "/metrics/driver/prometheus"},
		"metrics are not wanted":    {map[string]string{on: "true", prometheus: "false"}, 0, "false", "/metrics/driver/prometheus"},
		"the UI speaks TLS":         {map[string]string{on: "true", "spark.ssl.ui.enabled": "true"}, 0, "true", "/metrics/driver/prometheus"},
		"all speaks TLS":            {map[string]string{on: "true", "spark.ssl.enabled": "true"}, 0, "true", "/metrics/driver/prometheus"},
		"a path of the workload's":  {map[string]string{on: "true", path: "/m"}, 4040, "true", "/m"},
		"metrics without an UI":     {map[string]string{prometheus: "true"}, 0, "true", ""},
		"the UI is not wanted":      {map[string]string{on: "false"}, 0, "", ""},
		"a class of the workload's": {map[string]string{on: "true", class: "com.example.Sink"}, 4040, "true", "/metrics/driver/prometheus"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := wordCount()
			w.Conf = plainConf(tt.conf)
			port, offered := MetricsPort(w)
			if offered != (tt.port > 0) || offered && port != tt.port {
				t.Errorf("the metrics are at port %d, %t", port, offered)
			}
			settings := SettingsOf(w, environment(), components.All())
			if settings[prometheus] != tt.served || settings[path] != tt.path || (settings[class] == "") != (tt.path == "") {
				t.Errorf("%s=%s, %s=%s, %s=%s", prometheus, settings[prometheus], path, settings[path], class, settings[class])
			}
		})
	}
}
