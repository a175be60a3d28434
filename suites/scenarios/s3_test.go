//go:build linux

package scenarios_test

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/sparkchaos/sparkchaos/internal/s3test"
	"github.com/sparkchaos/sparkchaos/scenarios"
	"github.com/sparkchaos/sparkchaos/suites/support"
)

var _ = Describe("staging on S3", Label("component:staging"), func() {
	const lost = "staging-node-power-off-during-driver-init"

	It("serves the artifacts to a driver that lost the server's node", func(ctx SpecContext) {
		s3 := s3test.Start(GinkgoTB())
		code, out := support.Sparkchaos("cluster", "up", "--name", name, "--workers", "3", "--timing", "fast") // unless another spec did
		Expect(code).To(Equal(0), out)
		lab, _ := support.OpenEmbedded(name)
		listener, err := lab.Listen(ctx)
		Expect(err).NotTo(HaveOccurred())
		// Signatures hold for the address that the pods ask, which a reverse proxy leaves as it is.
		proxy := &http.Server{Handler: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s3.Address})}
		go func() { _ = proxy.Serve(listener) }() // ends with the spec
		DeferCleanup(proxy.Close)

		directory := GinkgoT().TempDir()
		text, err := fs.ReadFile(scenarios.Files(), lost+".yaml")
		Expect(err).NotTo(HaveOccurred())
		const durable = "storage: durable,"
		Expect(string(text)).To(ContainSubstring(durable))
		onS3 := fmt.Sprintf("%s url: %q, credentials: [%s],", durable, s3.Location(listener.Addr().String()),
			strings.Join(s3test.Credentials(), ", "))
		file := filepath.Join(directory, lost+".yaml")
		Expect(os.WriteFile(file, []byte(strings.Replace(string(text), durable, onS3, 1)), 0o600)).To(Succeed())
		dictionary, err := fs.ReadFile(scenarios.Files(), "files/dictionary.txt")
		Expect(err).NotTo(HaveOccurred())
		Expect(os.Mkdir(filepath.Join(directory, "files"), 0o755)).To(Succeed())
		Expect(os.WriteFile(filepath.Join(directory, "files", "dictionary.txt"), dictionary, 0o600)).To(Succeed())

		var allowed []string
		for _, variable := range s3test.Credentials() {
			allowed = append(allowed, "--allow-env", variable)
		}
		_, verdict, _ := support.RunFile(file, runs, name, allowed...)
		for _, fault := range verdict.Faults {
			Expect(fault.Landed).To(BeTrue(), "fault %s: %s", fault.Fault, fault.Reason)
		}
		bundles, err := os.ReadDir(filepath.Join(s3.Bucket, "data"))
		Expect(err).NotTo(HaveOccurred())
		Expect(bundles).NotTo(BeEmpty(), "the bundle is an object of the S3 server")
	}, SpecTimeout(support.SpecLimit))
})
