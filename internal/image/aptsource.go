package image

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

const (
	// sourceVariable names a source for machines without apt, or whose own ones have no Debian, as a line of sources.list.
	sourceVariable = "SPARKCHAOS_DEBIAN_SOURCE"

	sourceAdvice = "Debian's packages are taken from where apt of this machine takes its own. On a machine without such a source set " +
		sourceVariable +
		" to one, as a line of sources.list: deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] URI " + debianSuite + " main"
	keyringAdvice = "install Debian's keys (Debian and Ubuntu: apt-get install debian-archive-keyring; Fedora: dnf install debian-keyring), " +
		"or name the keyring of the mirror in its source with signed-by"
)

// debianKeyrings are where distributions install Debian's keys.
func debianKeyrings() []string {
	return []string{
		"usr/share/keyrings/debian-archive-keyring.gpg", "usr/share/keyrings/debian-archive-keyring.pgp", "usr/share/keyrings/debian-keyring.gpg",
	}
}

// aptSource is where Debian's packages come from and what their signatures are checked with.
type aptSource struct {
	uri     string
	keyring string // a file that gpgv reads
}

// String names the source without what may be secret in its address.
func (s aptSource) String() string {
	if u, err := url.Parse(s.uri); err == nil {
		return u.Redacted()
	}
	return "a source"
}

// redact returns an error without the source's address, which may hold a password.
func (s aptSource) redact(err error) error {
	if s.String() == s.uri {
		return err
	}
	return errors.New(strings.ReplaceAll(err.Error(), s.uri, s.String()))
}

// aptEntry is one source as apt is told of it.
type aptEntry struct {
	from       string // the file
	uris       []string
	suites     []string
	components []string
	signedBy   []string // files, fingerprints, or a whole key
	archs      []string // none means all
}

// findAptSource returns the source of Debian's packages among those of the machine whose files lie below root. The value
// of the variable, if there is one, takes the place of the machine's own.
func findAptSource(root, variable string) (aptSource, error) {
	entries, err := aptEntries(root, variable)
	if err != nil {
		return aptSource{}, err
	}
	best, rank := aptEntry{}, unusable
	for _, entry := range entries {
		if r := entry.rank(); r < rank {
			best, rank = entry, r
		}
	}
	if rank == unusable {
		return aptSource{}, fmt.Errorf("none of the %d sources of apt below %s has Debian's component main by http, https or file; %s",
			len(entries), filepath.Join(root, "etc/apt"), sourceAdvice)
	}
	uri := best.uris[slices.IndexFunc(best.uris, usableURI)]
	keyring, err := best.keyring(root)
	if err != nil {
		return aptSource{}, fmt.Errorf("the source of Debian's packages in %s: %w", best.from, err)
	}
	return aptSource{uri: uri, keyring: keyring}, nil
}

func aptEntries(root, variable string) ([]aptEntry, error) {
	if variable != "" {
		entry, err := parseSourceLine(variable)
		if err != nil {
			return nil, fmt.Errorf("%s: %w; %s", sourceVariable, err, sourceAdvice)
		}
		if entry == nil {
			return nil, fmt.Errorf("%s is %q, which names no source; %s", sourceVariable, variable, sourceAdvice)
		}
		entry.from = sourceVariable
		return []aptEntry{*entry}, nil
	}
	files := []string{filepath.Join(root, "etc/apt/sources.list")}
	further, err := os.ReadDir(filepath.Join(root, "etc/apt/sources.list.d"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("apt's sources: %w", err)
	}
	for _, f := range further {
		// apt reads no others.
		if ext := filepath.Ext(f.Name()); ext == ".list" || ext == ".sources" {
			files = append(files, filepath.Join(root, "etc/apt/sources.list.d", f.Name()))
		}
	}
	var entries []aptEntry
	for _, file := range files {
		data, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("apt's sources: %w", err)
		}
		parse := parseSourceList
		if filepath.Ext(file) == ".sources" {
			parse = parseDeb822
		}
		found, err := parse(string(data))
		if err != nil {
			return nil, fmt.Errorf("apt's sources in %s: %w", file, err)
		}
		for _, entry := range found {
			entry.from = file
			entries = append(entries, entry)
		}
	}
	return entries, nil
}

// parseSourceList reads a file of one source a line.
func parseSourceList(text string) ([]aptEntry, error) {
	var entries []aptEntry
	number := 0
	for line := range strings.Lines(text) {
		number++
		entry, err := parseSourceLine(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		if entry != nil {
			entries = append(entries, *entry)
		}
	}
	return entries, nil
}

// parseSourceLine reads "deb [option=value …] URI suite component…"; nil if the line is empty or names no binary packages.
func parseSourceLine(line string) (*aptEntry, error) {
	line, _, _ = strings.Cut(line, "#")
	kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	if tab, after, ok := strings.Cut(kind, "\t"); ok {
		kind, rest = tab, after+" "+rest
	}
	if kind != "deb" {
		return nil, nil
	}
	var entry aptEntry
	rest = strings.TrimSpace(rest)
	if options, ok := strings.CutPrefix(rest, "["); ok {
		options, after, closed := strings.Cut(options, "]")
		if !closed {
			return nil, errors.New("options begin with [ and have no ]")
		}
		rest = after
		for _, option := range strings.Fields(options) {
			switch name, value, _ := strings.Cut(option, "="); strings.ToLower(name) {
			case "signed-by":
				entry.signedBy = strings.Split(value, ",")
			case "arch":
				entry.archs = strings.Split(value, ",")
			}
		}
	}
	fields := strings.Fields(rest)
	if len(fields) < 2 {
		return nil, errors.New("want deb URI SUITE COMPONENT…")
	}
	entry.uris, entry.suites, entry.components = fields[:1], fields[1:2], fields[2:]
	return &entry, nil
}

// parseDeb822 reads a file of stanzas with a field a line.
func parseDeb822(text string) ([]aptEntry, error) {
	var entries []aptEntry
	fields := map[string]string{}
	end := func() {
		if enabled := strings.ToLower(strings.TrimSpace(fields["enabled"])); slices.Contains(strings.Fields(fields["types"]), "deb") &&
			!slices.Contains([]string{"no", "false", "without", "off", "disable", "0"}, enabled) {
			entry := aptEntry{
				uris: strings.Fields(fields["uris"]), suites: strings.Fields(fields["suites"]), components: strings.Fields(fields["components"]),
				signedBy: strings.Fields(strings.ReplaceAll(fields["signed-by"], ",", " ")), archs: strings.Fields(fields["architectures"]),
			}
			if strings.Contains(fields["signed-by"], "-----BEGIN") {
				entry.signedBy = []string{fields["signed-by"]}
			}
			entries = append(entries, entry)
		}
		clear(fields)
	}
	last := ""
	number := 0
	for scanner := bufio.NewScanner(strings.NewReader(text)); scanner.Scan(); {
		line := scanner.Text()
		number++
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			end()
			last = ""
		case line[0] == ' ' || line[0] == '\t':
			if last == "" {
				return nil, fmt.Errorf("line %d continues no field", number)
			}
			fields[last] += "\n" + strings.TrimSpace(line)
		default:
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				return nil, fmt.Errorf("line %d is not of the form Field: value", number)
			}
			last = strings.ToLower(strings.TrimSpace(name))
			fields[last] = strings.TrimSpace(value)
		}
	}
	end()
	return entries, nil
}

// The ranks of sources, the best first.
const (
	debiansOwn     = iota // the suite itself, by Debian's keys
	debianOther           // another suite of Debian's, by Debian's keys: the archive has all of them
	foreignKeyring        // the suite, by somebody else's keys: a mirror of one's own, or a repository of something else
	unusable
)

func (e aptEntry) rank() int {
	if !slices.ContainsFunc(e.uris, usableURI) || !slices.Contains(e.components, "main") ||
		len(e.archs) > 0 && !slices.Contains(e.archs, runtime.GOARCH) {
		return unusable
	}
	suite := slices.Contains(e.suites, debianSuite)
	switch {
	case suite && e.byDebian():
		return debiansOwn
	case e.byDebian() && slices.ContainsFunc(e.suites, suiteOfDebian):
		return debianOther
	case suite:
		return foreignKeyring
	default:
		return unusable
	}
}

// usableURI reports whether debootstrap can read from an address.
func usableURI(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && slices.Contains([]string{"http", "https", "file"}, u.Scheme) && u.Path != ""
}

func suiteOfDebian(suite string) bool {
	return slices.Contains([]string{"bullseye", "bookworm", "trixie", "forky", "sid", "oldoldstable", "oldstable", "stable", "testing",
		"unstable"}, suite)
}

// byDebian reports whether a source is checked with Debian's keys: those that it names, or all that apt trusts.
func (e aptEntry) byDebian() bool {
	return len(e.signedBy) == 0 || slices.ContainsFunc(e.signedBy, func(key string) bool {
		return strings.HasPrefix(filepath.Base(key), "debian-archive-")
	})
}

// keyring returns the file to check the source's signatures with: the one that it names, or Debian's own.
func (e aptEntry) keyring(root string) (string, error) {
	var problems []error
	for _, key := range e.signedBy {
		if !filepath.IsAbs(key) {
			problems = append(problems, errors.New("it names a key instead of a file of keys"))
			continue
		}
		file := filepath.Join(root, key)
		err := binaryKeyring(file)
		if err == nil {
			return file, nil
		}
		problems = append(problems, err)
	}
	if len(problems) > 0 && !e.byDebian() {
		return "", fmt.Errorf("%w; %s", errors.Join(problems...), keyringAdvice)
	}
	for _, key := range debianKeyrings() {
		file := filepath.Join(root, key)
		err := binaryKeyring(file)
		if err == nil {
			return file, nil
		}
		problems = append(problems, err)
	}
	return "", fmt.Errorf("its signatures cannot be checked, and nothing is installed unchecked: %w; %s", errors.Join(problems...),
		keyringAdvice)
}

// binaryKeyring reports what keeps gpgv from reading a file.
func binaryKeyring(file string) error {
	data, err := os.ReadFile(file)
	switch {
	case err != nil:
		return err
	case len(data) == 0:
		return fmt.Errorf("%s is empty", file)
	case data[0] < 0x80 && !strings.HasPrefix(string(data[min(8, len(data)):]), "KBXf"):
		return fmt.Errorf("%s is a key in text form, which gpgv does not read; convert it with gpg --dearmor", file)
	}
	return nil
}
