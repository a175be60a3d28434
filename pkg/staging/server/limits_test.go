package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/staging"
	"github.com/sparkchaos/sparkchaos/pkg/staging/store"
)

const (
	uploadHead = "POST /api/v0/resources HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; " +
		"boundary=b\r\nContent-Length: 1000000\r\n\r\n"
	ownerHead  = "--b\r\nContent-Disposition: form-data; name=\"resourcesOwner\"\r\n\r\n"
	bundleHead = "--b\r\nContent-Disposition: form-data; name=\"resources\"\r\n\r\n"
)

// talk opens a connection from an address and says something.
func (l lab) talk(t *testing.T, from, text string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.Dial("tcp", strings.TrimPrefix(l.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn
}

// awaitTaken waits until so many places are taken.
func (l lab) awaitTaken(t *testing.T, want int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); l.server.slots.taken() != want; {
		if time.Now().After(deadline) {
			t.Fatalf("%d uploads are under way, want %d", l.server.slots.taken(), want)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Anyone who has not said whose the bundle is keeps nobody out, and anyone who has keeps others out only within a client's part.
func TestDrippingClientsKeepNobodyOut(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text  string
		taken int // places that 10 such connections of one address take
	}{
		"in the head of the form":    {uploadHead + "preamble", 0},
		"in the head of a part":      {uploadHead + "--b\r\nContent-Dispo", 0},
		"in the owner":               {uploadHead + ownerHead + `{"ownerNamespace":"n`, 0},
		"in a bundle without owner":  {uploadHead + bundleHead + "x", 1},
		"in the bundle of somebody":  {uploadHead + ownerHead + ownerJSON + "\r\n" + bundleHead + "x", 2},
		"after an owner, no bundle":  {uploadHead + ownerHead + ownerJSON + "\r\n--b\r\n", 2},
		"with an owner that is none": {uploadHead + ownerHead + "{}\r\n" + bundleHead + "x", 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := served(t, time.Minute, func(c *Config) { c.MaxUploads, c.MaxUploadsPerClient = 4, 2 })
			for range 10 {
				l.talk(t, "127.0.0.2", tc.text)
			}
			l.awaitTaken(t, tc.taken)
			if _, err := l.client.Upload(t.Context(), owner(), strings.NewReader("honest")); err != nil {
				t.Errorf("an honest upload: %v", err)
			}
		})
	}
}

// Uploads without owner have places of their own, which many addresses cannot make more.
func TestUploadsWithoutOwnerHavePlacesOfTheirOwn(t *testing.T) {
	t.Parallel()
	l := served(t, time.Minute, func(c *Config) { c.MaxUploads, c.MaxUploadsPerClient = 1, 1 })
	for i := range 5 {
		l.talk(t, fmt.Sprintf("127.0.0.%d", i+2), uploadHead+bundleHead+"x")
	}
	l.awaitTaken(t, 1)
	if _, err := l.client.Upload(t.Context(), owner(), strings.NewReader("honest")); err != nil {
		t.Errorf("an honest upload beside one without owner: %v", err)
	}
}

func TestClientsAreKnownByAddressOrNetwork(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"10.1.2.3:40000":              "10.1.2.3/32",
		"[::ffff:10.1.2.3]:40000":     "10.1.2.3/32",
		"[2001:db8:1:2:3:4:5:6]:1":    "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff::1]:2":    "2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":            "fe80::/64",
		"pipe":                        "invalid Prefix",
		"10.1.2.3:40000, 1.1.1.1:123": "invalid Prefix",
	} {
		if got := clientOf(remote).String(); got != want {
			t.Errorf("clientOf(%q) = %s, want %s", remote, got, want)
		}
	}
}

// A client slower than the least rate is cut off long before the transfer's time is over, in both directions.
func TestClientsBelowTheLeastRateAreCutOff(t *testing.T) {
	t.Parallel()
	slow := func(c *Config) { c.MinRate, c.SlowTime, c.StallTime = 100_000, 300*time.Millisecond, time.Hour }
	t.Run("upload", func(t *testing.T) {
		t.Parallel()
		l := served(t, time.Minute, slow)
		conn := l.talk(t, "127.0.0.1", uploadHead+ownerHead+ownerJSON+"\r\n"+bundleHead)
		go drip(conn, "some bytes")
		if err := conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		if said, err := io.ReadAll(conn); isTimeout(err) || !strings.Contains(string(said), "408") {
			t.Errorf("it is told %q, %v: want 408", said, err)
		}
		l.awaitTaken(t, 0)
	})
	t.Run("download", func(t *testing.T) {
		t.Parallel()
		l := served(t, time.Minute, slow)
		ticket, err := l.client.Upload(t.Context(), owner(), io.LimitReader(zeros{}, 64<<20))
		if err != nil {
			t.Fatal(err)
		}
		body, err := l.client.Fetch(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		defer body.Close()
		var n int64
		for deadline := time.Now().Add(time.Minute); err == nil && time.Now().Before(deadline); {
			n, err = io.CopyN(io.Discard, body, 200)
			time.Sleep(20 * time.Millisecond)
			if strings.Contains(l.log.String(), "download broke off") {
				return
			}
		}
		t.Errorf("the server still sends, last %d bytes, %v; log: %s", n, err, l.log)
	})
}

// A client that bursts and then drips uses its slack up; one that keeps the rate never does.
func TestSlack(t *testing.T) {
	t.Parallel()
	p := pace{rate: 1000, most: 10 * time.Second, slack: 10 * time.Second, stall: time.Hour, end: time.Now().Add(24 * time.Hour)}
	p.passed(1<<40, time.Second)
	if p.slack != 10*time.Second {
		t.Errorf("after a burst: %s of slack, want no more than %s", p.slack, p.most)
	}
	for range 1000 {
		p.passed(1000, time.Second)
	}
	if p.slack != 10*time.Second {
		t.Errorf("at the least rate: %s of slack, want %s", p.slack, p.most)
	}
	for range 20 {
		p.passed(500, time.Second)
	}
	if p.slack > 0 {
		t.Errorf("at half the rate for 20 s: %s of slack, want none", p.slack)
	}
}

func TestStoreIsBounded(t *testing.T) {
	t.Parallel()
	upload := func(l lab, size int) error {
		_, err := l.client.Upload(t.Context(), owner(), bytes.NewReader(make([]byte, size)))
		return err
	}
	refused := func(t *testing.T, err error) {
		t.Helper()
		var unavailable *staging.UnavailableError
		if !errors.As(err, &unavailable) || unavailable.Status != 507 || unavailable.RetryAfter <= 0 {
			t.Errorf("upload: %v, want status 507 and when to come again", err)
		}
	}
	t.Run("by all bundles", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, func(c *Config) { c.MaxStoreBytes = 1_000_000 })
		for range 9 {
			if err := upload(l, 100_000); err != nil {
				t.Fatal(err)
			}
		}
		refused(t, upload(l, 110_000))
		l.holds(t, 9)
		// A server that was restarted knows it, too, and what is removed makes room.
		again := labIn(t, l.dir, func(c *Config) { c.MaxStoreBytes = 1_000_000 })
		refused(t, upload(again, 110_000))
		ticket, err := again.client.Upload(t.Context(), owner(), strings.NewReader("small"))
		if err != nil {
			t.Fatal(err)
		}
		removeOne(t, again, ticket)
		if err := upload(again, 110_000); err != nil {
			t.Errorf("there is room again: %v", err)
		}
	})
	t.Run("by uploads at a time", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, func(c *Config) { c.MaxStoreBytes = 1_000_000 })
		begun, release := make(chan struct{}), make(chan struct{})
		slow := io.MultiReader(io.LimitReader(zeros{}, 900_000), readerFunc(func([]byte) (int, error) {
			close(begun)
			<-release
			return 0, io.EOF
		}))
		first := make(chan error, 1)
		go func() {
			_, err := l.client.Upload(t.Context(), owner(), slow)
			first <- err
		}()
		<-begun
		for deadline := time.Now().Add(30 * time.Second); l.server.room.received() < 800_000 && time.Now().Before(deadline); {
			time.Sleep(5 * time.Millisecond)
		}
		refused(t, upload(l, 300_000))
		close(release)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if n := l.server.room.received(); n != 0 {
			t.Errorf("%d bytes count as under way, but no upload is", n)
		}
	})
	t.Run("by what is announced", func(t *testing.T) {
		t.Parallel()
		l := newLab(t, func(c *Config) { c.MaxStoreBytes = 1_000_000 })
		request, err := http.NewRequest(http.MethodPost, l.url+staging.ResourcesPath, unread{t})
		if err != nil {
			t.Fatal(err)
		}
		request.ContentLength = 10_000_000
		request.Header.Set("Expect", "100-continue")
		request.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		if status, said := answer(t, response); status != 507 {
			t.Errorf("status %d %s, want 507", status, said)
		}
	})
	t.Run("by free space", func(t *testing.T) {
		t.Parallel()
		disk := &fakeDisk{free: 100 << 20}
		l := newLab(t, func(c *Config) {
			disk.Storage, c.Storage = c.Storage, disk
			c.FreeSpaceReserve = 90 << 20
		})
		if err := upload(l, 1<<20); err != nil {
			t.Fatal(err)
		}
		// The size is not known before, so that it is looked at while bytes come.
		_, err := l.client.Upload(t.Context(), owner(), io.LimitReader(zeros{}, 30<<20))
		refused(t, err)
		l.holds(t, 1)
		disk.free = 89 << 20
		refused(t, upload(l, 1))
	})
}

func removeOne(t *testing.T, l lab, last staging.Ticket) {
	t.Helper()
	for id, err := range l.server.config.Storage.IDs(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if id == last.ID {
			continue
		}
		// As the clean-up does: the test does not know the secrets.
		entry, err := l.server.config.Storage.Entry(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.server.sweeper.drop(t.Context(), entry, reasonUnowned, ""); err != nil {
			t.Fatal(err)
		}
		return
	}
}

// unread is a body that must not be asked for.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the bundle was on its way before it was refused")
	return 0, io.EOF
}

// fakeDisk has less free the more is written.
type fakeDisk struct {
	Storage
	free int64
}

func (f *fakeDisk) Free() (int64, bool, error) { return f.free, true, nil }

func (f *fakeDisk) Begin(ctx context.Context, id string) (Upload, error) {
	u, err := f.Storage.Begin(ctx, id)
	return &fakeDiskUpload{u, f}, err
}

type fakeDiskUpload struct {
	Upload
	disk *fakeDisk
}

func (f *fakeDiskUpload) Write(p []byte) (int, error) {
	f.disk.free -= int64(len(p))
	return f.Upload.Write(p)
}

// Bundles that were stored while the storage was being asked count, whether its list saw them or not.
func TestRoomCountsWhatIsStoredWhileItAsks(t *testing.T) {
	t.Parallel()
	asked, release := make(chan struct{}), make(chan struct{})
	r := newRoom(Config{MaxStoreBytes: 1000, Storage: fakeUsage{ask: func() int64 {
		close(asked)
		<-release
		return 100
	}}})
	looked := make(chan error, 1)
	go func() { looked <- r.admit(context.Background(), 0) }()
	<-asked
	s := share{room: r}
	if err := s.take(500); err != nil {
		t.Fatal(err)
	}
	s.end(true)
	close(release)
	if err := <-looked; err != nil {
		t.Fatal(err)
	}
	if err := r.admit(context.Background(), 450); !errors.Is(err, errNoRoom) {
		t.Errorf("450 bytes beside 100 and 500 of 1000: %v, want %v", err, errNoRoom)
	}
}

type fakeUsage struct {
	Storage
	ask func() int64
}

func (f fakeUsage) Usage(context.Context) (int64, error) { return f.ask(), nil }

func TestUploadsNeedTheToken(t *testing.T) {
	t.Parallel()
	const token = "the-token-of-this-server"
	l := newLab(t, func(c *Config) { c.UploadToken = token })
	for name, shown := range map[string]string{"none": "", "another": "wrong", "the beginning": token[:5], "more": token + "x"} {
		_, err := l.client.WithUploadToken(shown).Upload(t.Context(), owner(), strings.NewReader("x"))
		var refused *staging.RefusedError
		if !errors.As(err, &refused) || refused.Status != 401 {
			t.Errorf("token %s: %v, want status 401", name, err)
		}
	}
	l.holds(t, 0)
	ticket, err := l.client.WithUploadToken(token).Upload(t.Context(), owner(), strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	// Downloads need the secret of the bundle alone.
	body, err := l.client.Fetch(t.Context(), ticket)
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
	if strings.Contains(l.log.String(), token) {
		t.Errorf("the log holds the token:\n%s", l.log)
	}
}

func TestOnlyBundlesOfSomeNamespacesAreTaken(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) { c.Namespaces = []string{"ns"} })
	foreign := owner()
	foreign.Namespace = "kube-system"
	var refused *staging.RefusedError
	if _, err := l.client.Upload(t.Context(), foreign, strings.NewReader("x")); !errors.As(err, &refused) || refused.Status != 403 {
		t.Errorf("a bundle of kube-system: %v, want status 403", err)
	}
	if _, err := l.client.Upload(t.Context(), owner(), strings.NewReader("x")); err != nil {
		t.Error(err)
	}
	l.holds(t, 1)
}

// Of a part in an encoding the bytes are stored that were sent.
func TestPartsAreNotDecoded(t *testing.T) {
	t.Parallel()
	l := newLab(t, nil)
	const sent = "a=3Db=\r\nc"
	body := ownerHead + ownerJSON + "\r\n--b\r\nContent-Disposition: form-data; name=\"resources\"\r\nContent-Transfer-Encoding: " +
		"quoted-printable\r\n\r\n" + sent + "\r\n--b--\r\n"
	response, err := http.Post(l.url+staging.ResourcesPath, "multipart/form-data; boundary=b", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if status, said := answer(t, response); status != 200 {
		t.Fatalf("status %d %s", status, said)
	}
	for id := range l.server.config.Storage.IDs(t.Context()) {
		entry, err := l.server.config.Storage.Entry(t.Context(), id)
		if err != nil || entry.Size != int64(len(sent)) {
			t.Errorf("stored %d bytes, %v, want the %d that were sent", entry.Size, err, len(sent))
		}
	}
}

// A bundle that is removed while it is asked for is unknown, not damaged, and leaves no mark.
func TestABundleThatIsRemovedDuringItsDownload(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]string{"before it is opened": "open", "before it is marked": "mark"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, func(c *Config) { c.Storage = removing{c.Storage, at} })
			ticket, err := l.client.Upload(t.Context(), owner(), strings.NewReader("x"))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.client.Fetch(t.Context(), ticket); !errors.Is(err, staging.ErrUnknown) {
				t.Errorf("fetch: %v, want %v", err, staging.ErrUnknown)
			}
			stored, err := store.Open(t.Context(), "file://"+l.dir)
			if err != nil {
				t.Fatal(err)
			}
			defer stored.Close()
			if marked, err := stored.Downloaded(t.Context(), ticket.ID); err != nil || marked {
				t.Errorf("its mark is left: %t, %v", marked, err)
			}
			if _, metrics := l.ask(t, "GET", "/metrics", ""); !strings.Contains(metrics, "sparkchaos_staging_damaged_total 0") {
				t.Error("it counts as damaged")
			}
		})
	}
}

// removing removes a bundle right before something is done with it.
type removing struct {
	Storage
	at string
}

func (r removing) Open(ctx context.Context, entry store.Entry) (io.ReadCloser, error) {
	if r.at == "open" {
		if err := r.Remove(ctx, entry.ID); err != nil {
			return nil, err
		}
	}
	return r.Storage.Open(ctx, entry)
}

func (r removing) MarkDownloaded(ctx context.Context, id string) error {
	if r.at == "mark" {
		if err := r.Remove(ctx, id); err != nil {
			return err
		}
	}
	return r.Storage.MarkDownloaded(ctx, id)
}

// Asking often whether the server is ready does not ask the storage often.
func TestReadinessIsAskedOnceASecond(t *testing.T) {
	t.Parallel()
	asked := 0
	var r readiness
	for range 100 {
		if err := r.ask(t.Context(), func(context.Context) error { asked++; return errors.New("down") }); err == nil {
			t.Error("an answer that was kept lost its error")
		}
	}
	if asked == 0 || asked > 20 {
		t.Errorf("100 questions in a row asked the storage %d times", asked)
	}
	r.at = r.at.Add(-2 * checkAge)
	if err := r.ask(t.Context(), func(context.Context) error { return nil }); err != nil {
		t.Errorf("after %s the old answer holds: %v", 2*checkAge, err)
	}
}

func TestMetricsCanBeElsewhere(t *testing.T) {
	t.Parallel()
	l := newLab(t, func(c *Config) { c.MetricsElsewhere = true })
	if status, _ := l.ask(t, "GET", "/metrics", ""); status != 404 {
		t.Errorf("/metrics beside the bundles: status %d, want 404", status)
	}
}
