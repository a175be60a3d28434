package staging

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// maxAnswer bounds what is read of an answer that is not a bundle.
const maxAnswer = 64 << 10

// Client talks to a staging server. Its errors are a *RefusedError or an *UnavailableError, or come from the arguments.
type Client struct {
	base  *url.URL
	http  *http.Client
	token string // of uploads; "" for none
	most  int64  // bytes of a download; 0 for no bound but the ticket's size
}

// WithMaxBytes returns a client of the same server that refuses bundles of more bytes, whatever the server announces; 0
// is no limit.
func (c *Client) WithMaxBytes(most int64) *Client {
	with := *c
	with.most = most
	return &with
}

// WithUploadToken returns a client of the same server that sends a token with uploads; "" sends none.
func (c *Client) WithUploadToken(token string) *Client {
	with := *c
	with.token = token
	return &with
}

// NewClient returns a client of the server at a base URL, such as http://staging.spark:10000, that uses transport, or
// http.DefaultClient if it is nil. It sets no timeout: use contexts.
func NewClient(server string, transport *http.Client) (*Client, error) {
	base, err := url.Parse(server)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fmt.Errorf("server %q: want a URL such as http://staging:%d", server, DefaultPort)
	}
	if transport == nil {
		transport = http.DefaultClient
	}
	return &Client{base: base, http: transport}, nil
}

// Server returns the server's URL, without credentials.
func (c *Client) Server() string { return c.base.Redacted() }

// Upload sends a bundle to the server and returns its ticket, with the hash and size of what was sent. When it returns
// without error, the bundle is stored durably. An upload cannot be resumed.
func (c *Client) Upload(ctx context.Context, owner Owner, bundle io.Reader) (Ticket, error) {
	if err := owner.Validate(); err != nil {
		return Ticket{}, fmt.Errorf("upload a bundle: %w", err)
	}
	body, w := io.Pipe()
	form := multipart.NewWriter(w)
	digest := sha256.New()
	var size int64
	source := &noted{Reader: bundle}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		n, err := writeForm(form, owner, io.TeeReader(source, digest))
		size = n
		w.CloseWithError(err)
	}()
	op := "upload a bundle"
	answer, err := c.upload(ctx, op, form.FormDataContentType(), body)
	// Whatever happened: with the pipe closed, the goroutine ends as soon as its own reading does.
	body.Close()
	if failed := source.failed.Load(); failed != nil {
		return Ticket{}, fmt.Errorf("upload a bundle: read it: %w", *failed)
	}
	if err != nil {
		return Ticket{}, err
	}
	<-sent
	ticket := Ticket{ID: answer.ID, Secret: answer.Secret, SHA256: hex.EncodeToString(digest.Sum(nil)), Size: size}
	if ticket.ID == "" || ticket.Secret == "" {
		return Ticket{}, &UnavailableError{Op: op, Server: c.Server(), Status: http.StatusOK,
			Err: errors.New("the answer holds no id or no secret: is this a staging server?")}
	}
	return ticket, nil
}

// noted keeps the error of reading, to distinguish failures of the caller from those of the server.
type noted struct {
	io.Reader
	failed atomic.Pointer[error]
}

func (n *noted) Read(p []byte) (int, error) {
	read, err := n.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.failed.Store(&err)
	}
	return read, err
}

func (c *Client) upload(ctx context.Context, op, contentType string, body io.Reader) (Ticket, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.JoinPath(ResourcesPath).String(), body)
	if err != nil {
		return Ticket{}, err
	}
	request.Header.Set("Content-Type", contentType)
	if c.token != "" {
		request.Header.Set(SecretHeader, TokenScheme+" "+c.token)
	}
	// A server that is busy says so before the bundle is on its way.
	request.Header.Set("Expect", "100-continue")
	response, err := c.do(op, request)
	if err != nil {
		return Ticket{}, err
	}
	defer response.Body.Close()
	var ticket Ticket
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(&ticket); err != nil {
		return Ticket{}, &UnavailableError{Op: op, Server: c.Server(), Status: response.StatusCode,
			Err: fmt.Errorf("the answer is no ticket: %w", err)}
	}
	return ticket, nil
}

// writeForm writes the upload and returns the size of the bundle in bytes.
func writeForm(form *multipart.Writer, owner Owner, bundle io.Reader) (int64, error) {
	data, err := json.Marshal(owner)
	if err != nil {
		return 0, err
	}
	// The owner first: it is small, so a server can refuse a bad one before the bundle is sent.
	part, err := form.CreatePart(partHeader(OwnerPart, "application/json"))
	if err != nil {
		return 0, err
	}
	if _, err := part.Write(data); err != nil {
		return 0, err
	}
	part, err = form.CreatePart(partHeader(ResourcesPart, "application/octet-stream"))
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(part, bundle)
	if err != nil {
		return n, fmt.Errorf("after %d bytes of the bundle: %w", n, err)
	}
	return n, form.Close()
}

func partHeader(name, contentType string) textproto.MIMEHeader {
	return textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition(name, name)},
		"Content-Type":        {contentType},
	}
}

// Fetch asks for a bundle. A reader that reaches io.EOF has read the whole bundle that the ticket names: it fails
// with ErrMismatch instead when the hash or the size is another one, with ErrTooLarge as soon as there is more than the client
// takes, and with an *UnavailableError when the download breaks off.
func (c *Client) Fetch(ctx context.Context, ticket Ticket) (io.ReadCloser, error) {
	op := "fetch " + ticket.String()
	response, err := c.withTicket(ctx, op, http.MethodGet, ticket)
	if err != nil {
		return nil, err
	}
	want := ticket.SHA256
	if want == "" {
		want = digestOf(response.Header)
	}
	d := &download{ReadCloser: response.Body, op: op, server: c.Server(), want: want, announced: response.ContentLength,
		most: math.MaxInt64 - 1, digest: sha256.New()}
	if c.most > 0 {
		d.most, d.beyond = c.most, ErrTooLarge
	}
	if ticket.Size > 0 && ticket.Size <= d.most {
		d.most, d.beyond = ticket.Size, ErrMismatch
	}
	if d.announced > d.most {
		return nil, errors.Join(d.tooMuch(fmt.Sprintf("%d bytes are announced", d.announced)), response.Body.Close())
	}
	return d, nil
}

// Remove removes a bundle from the server.
func (c *Client) Remove(ctx context.Context, ticket Ticket) error {
	response, err := c.withTicket(ctx, "remove "+ticket.String(), http.MethodDelete, ticket)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

// Ping reports whether a staging server answers.
func (c *Client) Ping(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath(PingPath).String(), nil)
	if err != nil {
		return err
	}
	response, err := c.do("ping", request)
	if err != nil {
		return err
	}
	return response.Body.Close()
}

func (c *Client) withTicket(ctx context.Context, op, method string, ticket Ticket) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base.JoinPath(ResourcesPath, url.PathEscape(ticket.ID)).String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set(SecretHeader, ticket.Secret)
	return c.do(op, request)
}

// do sends a request and turns everything but a 2xx into an error.
func (c *Client) do(op string, request *http.Request) (*http.Response, error) {
	response, err := c.http.Do(request)
	if err != nil {
		return nil, &UnavailableError{Op: op, Server: c.Server(), Err: err}
	}
	if response.StatusCode/100 == 2 {
		return response, nil
	}
	defer response.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	reason := strings.TrimSpace(string(said))
	if reason == "" {
		reason = http.StatusText(response.StatusCode)
	}
	switch code := response.StatusCode; {
	case code >= 500 || code == http.StatusRequestTimeout || code == http.StatusTooManyRequests:
		return nil, &UnavailableError{Op: op, Server: c.Server(), Status: code, RetryAfter: retryAfter(response.Header), Err: errors.New(reason)}
	default:
		refused := &RefusedError{Op: op, Server: c.Server(), Status: code, Reason: reason}
		switch code {
		case http.StatusNotFound:
			refused.Err = ErrUnknown
		case http.StatusUnauthorized:
			refused.Err = ErrUnauthorized
		}
		return nil, refused
	}
}

func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.Atoi(header.Get("Retry-After"))
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// digestOf returns the SHA-256 that a server announces, in hexadecimal, or "".
func digestOf(header http.Header) string {
	value, ok := strings.CutPrefix(header.Get(DigestHeader), "sha-256=:")
	if !ok {
		return ""
	}
	sum, err := base64.StdEncoding.DecodeString(strings.TrimSuffix(value, ":"))
	if err != nil || len(sum) != sha256.Size {
		return ""
	}
	return hex.EncodeToString(sum)
}

// FormatDigest returns the value of DigestHeader for a SHA-256 in hexadecimal, or "" if it is invalid.
func FormatDigest(sum string) string {
	data, err := hex.DecodeString(sum)
	if err != nil || len(data) != sha256.Size {
		return ""
	}
	return "sha-256=:" + base64.StdEncoding.EncodeToString(data) + ":"
}

// download is a bundle that is being received.
type download struct {
	io.ReadCloser
	op, server string
	want       string // SHA-256 in hexadecimal, or ""
	announced  int64  // bytes, or -1
	most       int64  // bytes that are taken
	beyond     error  // what more of them is
	digest     hash.Hash
	size       int64
}

// tooMuch is the error for a bundle that is larger than the client accepts.
func (d *download) tooMuch(seen string) error {
	return &RefusedError{Op: d.op, Server: d.server, Status: http.StatusOK, Err: d.beyond,
		Reason: fmt.Sprintf("%s, want at most %d bytes", seen, d.most)}
}

// Read implements io.Reader.
func (d *download) Read(p []byte) (int, error) {
	// One byte more than is taken shows that there is more.
	n, err := d.ReadCloser.Read(p[:min(int64(len(p)), d.most-d.size+1)])
	if d.size+int64(n) > d.most {
		return 0, d.tooMuch("more was sent")
	}
	d.digest.Write(p[:n])
	d.size += int64(n)
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return n, &UnavailableError{Op: d.op, Server: d.server, Status: http.StatusOK,
			Err: fmt.Errorf("the download broke off after %d of %d bytes: %w", d.size, d.announced, err)}
	}
	if got := hex.EncodeToString(d.digest.Sum(nil)); d.want != "" && got != d.want {
		return n, &RefusedError{
			Op: d.op, Server: d.server, Status: http.StatusOK, Err: ErrMismatch,
			Reason: fmt.Sprintf("%d bytes with SHA-256 %s were received, want %s", d.size, got, d.want),
		}
	}
	return n, io.EOF
}
