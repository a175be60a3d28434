package stagingcli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sparkchaos/sparkchaos/pkg/history"
	"github.com/sparkchaos/sparkchaos/pkg/witness"
)

// reportTime bounds the sending of one report: the witness may be behind a cut, and the file has it anyway.
const reportTime = 2 * time.Second

// reporter writes witness records of a pod's download, to the node's disk and to the witness. A nil one reports nothing. No
// trouble of its own ever fails a download: it is said on out.
type reporter struct {
	next  history.WitnessRecord
	file  string // "" for none
	url   string // "" for none
	token string // of the witness; "" for none
	out   io.Writer
}

func newReporter(role, podUID, podName, node, dir, server, token string, out io.Writer) *reporter {
	r := &reporter{
		next: history.WitnessRecord{Seq: 1, Role: role, PodUID: podUID + history.ArtifactsWriter, PodName: podName, Node: node},
		out:  out, token: token,
	}
	if dir != "" {
		r.file = filepath.Join(dir, fmt.Sprintf("%s-artifacts-%d%s", podUID, time.Now().UnixMicro(), witness.FileSuffix))
	}
	if server != "" {
		r.url = strings.TrimSuffix(server, "/") + witness.RecordsPath
	}
	return r
}

// say reports that something happened now.
func (r *reporter) say(ctx context.Context, kind string, detail map[string]string) {
	if r == nil {
		return
	}
	record := r.next
	r.next.Seq++
	record.Type, record.WallMicros, record.Detail = kind, time.Now().UnixMicro(), detail
	line, err := json.Marshal(record)
	if err == nil {
		line = append(line, '\n')
		err = errors.Join(r.keep(line), r.send(ctx, line))
	}
	if err != nil {
		fmt.Fprintf(r.out, "report %s: %v\n", kind, err)
	}
}

// keep writes a line to the disk.
func (r *reporter) keep(line []byte) (err error) {
	if r.file == "" {
		return nil
	}
	f, err := os.OpenFile(r.file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := f.Write(line); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(r.file))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (r *reporter) send(ctx context.Context, line []byte) error {
	if r.url == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(line))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-ndjson")
	if r.token != "" {
		witness.Authorize(request, r.token)
	}
	response, err := transport(0).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return fmt.Errorf("%s answered %s: %s", r.url, response.Status, bytes.TrimSpace(said))
	}
	return nil
}
