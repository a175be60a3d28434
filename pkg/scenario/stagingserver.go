package scenario

import (
	"net/url"
	"path"
	"strings"

	"github.com/sparkchaos/sparkchaos/pkg/history"
)

// OfStagingServer is the role of the staging server's pods.
const OfStagingServer = history.RoleStagingServer

// Where a staging server keeps the artifacts.
const (
	StagingNone    = "none"    // there is no staging server
	StagingMemory  = "memory"  // in the server's own pod
	StagingDurable = "durable" // on storage that outlives any pod
)

// defaultDurableReplicas is how many durable staging servers there are if the scenario does not say.
const defaultDurableReplicas = 2

// StagingServer keeps the application's jar and files, which the harness uploads before the launch and driver and executors
// fetch in an init container.
type StagingServer struct {
	// none (default without files beside the scenario): artifacts come with the image; memory: lost with the server's pod;
	// durable (default with files beside the scenario): on storage that outlives any pod
	Storage string `json:"storage,omitempty" enum:"none|memory|durable"`
	// pods of the server, each on a node of its own; default 2 if durable, else 1
	Replicas int `json:"replicas,omitempty" min:"1" max:"9"`
	// durable only: object storage instead of the cluster's shared volume
	URL string `json:"url,omitempty" pattern:"^(s3|gs|azblob)://[^\\s]+$" like:"s3://bucket?prefix=staging/"`
	// with url: environment variables of the harness that the server is given, by name; each has to be allowed with
	// --allow-env NAME
	Credentials []string `json:"credentials,omitempty" pattern:"^[A-Za-z_][A-Za-z0-9_]*$" like:"AWS_ACCESS_KEY_ID"`
	// bytes of noise that the harness adds to the artifacts, so that fetching them takes as long as with a large application
	Padding string `json:"padding,omitempty" pattern:"^[1-9][0-9]*[kmg]?$" like:"16m"`
	// bytes a second at which a pod fetches: slow enough for a fault to hit a download; default unlimited
	FetchRate string `json:"fetchRate,omitempty" pattern:"^[1-9][0-9]*[kmg]?$" like:"20k"`
}

// Enabled reports whether there is a staging server.
func (s StagingServer) Enabled() bool { return s.Storage != "" && s.Storage != StagingNone }

func stagingServer() component {
	return component{
		role: OfStagingServer, words: "the staging server",
		present:   func(w Workload) bool { return staging(w).Enabled() },
		fill:      func(w *Workload) { w.StagingServer = staging(*w) },
		check:     validateStaging,
		variables: func(w Workload) []string { return w.StagingServer.Credentials },
	}
}

// staging returns a workload's staging server with its defaults: files beside the scenario reach pods by one alone.
func staging(w Workload) StagingServer {
	server := w.StagingServer
	if len(Artifacts(w.Application)) > 0 {
		fill(&server.Storage, StagingDurable)
	}
	fill(&server.Storage, StagingNone)
	switch server.Storage {
	case StagingDurable:
		fill(&server.Replicas, defaultDurableReplicas)
	case StagingMemory:
		fill(&server.Replicas, 1)
	}
	return server
}

// validateStaging finds artifacts without a server and servers without artifacts.
func validateStaging(w Workload, report report) {
	const at = "spec.workload.stagingServer"
	server, artifacts := staging(w), Artifacts(w.Application)
	switch {
	case !server.Enabled() && len(artifacts) > 0:
		report("spec.workload.application", "%s would have to be fetched from a staging server, but there is none; leave storage out or write "+
			"durable, or name files of the image as local:///…", strings.Join(artifacts, ", "))
	case server.Enabled() && len(artifacts) == 0:
		report(at+".storage", "the server would have nothing to serve: the application names no file beside the scenario")
	}
	names := map[string]string{}
	for _, artifact := range artifacts {
		base := path.Base(artifact)
		if other, double := names[base]; double {
			report("spec.workload.application", "%s and %s have the same name: pods fetch all artifacts into one directory", other, artifact)
		}
		names[base] = artifact
	}
	if address, err := url.Parse(server.URL); err == nil && address.User != nil {
		report(at+".url", "has a user or password in it, which anybody may read; name the variables that hold them in credentials")
	}
	if server.Storage != StagingDurable && server.URL != "" {
		report(at+".url", "only storage: durable has one")
	}
	if server.URL == "" && len(server.Credentials) > 0 {
		report(at+".credentials", "are for the object storage that url names, but there is none")
	}
	if server.Storage == StagingMemory && server.Replicas > 1 {
		report(at+".replicas", "%d servers with storage: memory would each know other artifacts; leave this out", server.Replicas)
	}
	if !server.Enabled() && (server.Replicas != 0 || server.FetchRate != "") {
		report(at, "there is no server without storage: memory or durable")
	}
}
