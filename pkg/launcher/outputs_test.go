package launcher_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/sparkchaos/sparkchaos/internal/golden"
	. "github.com/sparkchaos/sparkchaos/pkg/launcher"
	"github.com/sparkchaos/sparkchaos/pkg/launcher/components"
	"github.com/sparkchaos/sparkchaos/pkg/scenario"
)

// writer is a workload that names its outputs, with all that decides how they can be read.
func writer(t *testing.T) scenario.Workload {
	t.Helper()
	w := wordCount()
	template, err := scenario.NewPodTemplate(`{"spec":{"containers":[{"name":"spark-kubernetes-driver","env":[{"name":"REGION",` +
		`"value":"north"}],` +
		`"volumeMounts":[{"name":"data","mountPath":"/data"}]}],"volumes":[{"name":"data","nfs":{"server":"nfs","path":"/"}}],` +
		`"nodeSelector":{"disk":"fast"}}}`)
	if err != nil {
		t.Fatal(err)
	}
	w.Driver.Template, w.Driver.NodeName, w.Driver.Beside = template, "worker-2", ""
	w.Conf = map[string]scenario.ConfValue{
		"spark.hadoop.fs.s3a.secret.key": {FromEnv: "S3A_SECRET_KEY"}, "spark.hadoop.fs.s3a.endpoint": {Text: "http://minio:9000"},
		"spark.dynamicAllocation.enabled": {Text: "true"}, "spark.shuffle.manager": {Text: "com.example.Remote"},
		"spark.plugins":       {Text: "com.example.Metrics"},
		"spark.jars.packages": {Text: "com.example:tables:1.0"}, "spark.sql.catalog.lake": {Text: "com.example.Catalog"},
	}
	w.Output = []scenario.Output{
		{Path: "/shared/table", Format: "parquet", Compare: scenario.CompareKeys, Keys: []string{"id"}, Ignore: []string{"at"}},
		{Path: "s3a://bucket/$(SPARKCHAOS_RUN_ID)/out", Format: "csv", Compare: scenario.CompareRows,
			Options: map[string]string{"header": "true"}},
	}
	return w
}

func TestTheReaderOfOutputsIsTheDriverWithAnotherApplication(t *testing.T) {
	t.Parallel()
	env := environment()
	env.OutputJar = []byte("the jar of the reader")
	o, err := Render(writer(t), env, components.All())
	if err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(o.OutputReader)
	if err != nil {
		t.Fatal(err)
	}
	golden.Compare(t, filepath.Join("testdata", "output-reader.yaml"), got, *update)
	driver := o.Driver.Spec
	reader := o.OutputReader.Spec
	for _, v := range driver.Volumes {
		if !slices.ContainsFunc(reader.Volumes, func(have corev1.Volume) bool { return have.Name == v.Name }) {
			t.Errorf("the reader has no volume %s, which the driver has", v.Name)
		}
	}
	if driver.Containers[0].Image != reader.Containers[0].Image {
		t.Errorf("the reader has the image %s, the driver %s", reader.Containers[0].Image, driver.Containers[0].Image)
	}
	if name := o.OutputJar.Name; name != OutputReaderName || o.OutputJar.BinaryData["reader.jar"] == nil {
		t.Errorf("the reader's jar is in %s: %v", name, o.OutputJar)
	}
	manifests, err := o.YAML()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(manifests), "dev.sparkchaos.output.OutputReader") {
		t.Error("the manifests start the reader at once, before there is anything to read")
	}
}

func TestOutputsNeedTheJarOfTheirReader(t *testing.T) {
	t.Parallel()
	_, err := Render(writer(t), environment(), components.All())
	if err == nil || !strings.Contains(err.Error(), "the jar of the reader of outputs has 0 bytes") {
		t.Errorf("Render without the jar = %v", err)
	}
	o, err := Render(wordCount(), environment(), components.All())
	if err != nil || o.OutputReader != nil || o.OutputJar != nil {
		t.Errorf("without outputs there is a reader: %v, %v", o, err)
	}
}
