// Package chart renders Helm charts that lie on this machine, and applies what comes of them to a cluster.
package chart

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/apimachinery/pkg/version"
)

// Chart is a chart with what one installation of it is made with.
type Chart struct {
	// Of is what it installs, as errors name it.
	Of string
	// Directory is where the chart lies.
	Directory string
	// Namespace is that of the release, and the release's name, too.
	Namespace string
	Values    map[string]any
}

// Render returns the objects of the chart's templates for a version of Kubernetes, in the order of the files. The chart's own
// CustomResourceDefinitions are not among them.
func (c Chart) Render(server *version.Info) ([]*unstructured.Unstructured, error) {
	loaded, err := loader.LoadDir(c.Directory)
	if err != nil {
		return nil, fmt.Errorf("chart of %s in %s: %w", c.Of, c.Directory, err)
	}
	capabilities := chartutil.DefaultCapabilities.Copy()
	capabilities.KubeVersion = chartutil.KubeVersion{Version: server.GitVersion, Major: server.Major, Minor: server.Minor}
	release := chartutil.ReleaseOptions{Name: c.Namespace, Namespace: c.Namespace, IsInstall: true, Revision: 1}
	values, err := chartutil.ToRenderValues(loaded, c.Values, release, capabilities)
	if err != nil {
		return nil, fmt.Errorf("values for the chart of %s: %w", c.Of, err)
	}
	files, err := engine.Render(loaded, values)
	if err != nil {
		return nil, fmt.Errorf("render the chart of %s: %w", c.Of, err)
	}
	var objects []*unstructured.Unstructured
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Ext(name) != ".yaml" {
			continue // notes for people
		}
		parsed, err := parse([]byte(files[name]))
		if err != nil {
			return nil, fmt.Errorf("rendered file %s of the chart of %s: %w", name, c.Of, err)
		}
		objects = append(objects, parsed...)
	}
	return objects, nil
}

// ImageValues returns the reference REGISTRY/REPOSITORY:TAG in the parts in which charts want it.
func ImageValues(reference string) map[string]any {
	registry, rest, _ := strings.Cut(reference, "/")
	repository, tag, _ := strings.Cut(rest, ":")
	return map[string]any{"registry": registry, "repository": repository, "tag": tag}
}

// Definitions returns the objects in a directory of CustomResourceDefinitions. build is what is done if there are none.
func Definitions(directory, build string) ([]*unstructured.Unstructured, error) {
	files, err := filepath.Glob(filepath.Join(directory, "*.yaml"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there are no definitions of resources in %s: %s", directory, build)
	}
	var objects []*unstructured.Unstructured
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		parsed, err := parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		objects = append(objects, parsed...)
	}
	return objects, nil
}

// parse reads the objects of a file of YAML documents.
func parse(data []byte) ([]*unstructured.Unstructured, error) {
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096)
	var objects []*unstructured.Unstructured
	for {
		var content map[string]any
		err := decoder.Decode(&content)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(content) > 0 {
			objects = append(objects, &unstructured.Unstructured{Object: content})
		}
	}
}
