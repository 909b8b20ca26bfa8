package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"satnav/sdk-contract/wire"
	"satnav/server/app"
	"satnav/server/demo"
	"satnav/server/importer"
	"satnav/server/retailer"
)

// importFile reads a file into the data folder, or into a running server.
type importFile struct {
	knobs
	Kind      string `arg:"" enum:"stores,geofences,products,stock,purchases,events" help:"What the file holds: ${enum}."`
	File      string `arg:"" help:"CSV, NDJSON or GeoJSON; gzip or not."`
	Data      string `help:"Data folder; no server may be running on it (default satnav-data)." placeholder:"DIR" xor:"where"`
	Server    string `help:"Import into this running server instead." placeholder:"URL" xor:"where"`
	TokenFile string `help:"File with the token for --server." placeholder:"F" type:"existingfile"`
	Retailer  string `help:"The retailer, with --data (default demo); with --server the token names it." placeholder:"R"`
	Basis     string `help:"Legal basis of personal data in the file, such as contract; recorded on each grant. Jurisdictions without default grants ask for it." placeholder:"WORD"`
	Strict    bool   `help:"Exit with 2 when any row was refused."`
	DryRun    bool   `help:"Check every row and say what would be new or changed, but store nothing."`
}

// Run imports and reports.
func (i *importFile) Run(ctx context.Context, std IO) error {
	if i.Server != "" && i.Retailer != "" {
		return errors.New("--retailer is for --data alone: with --server the token says which retailer the file is for")
	}
	file, err := os.Open(i.File)
	if err != nil {
		return err
	}
	defer file.Close()
	defer context.AfterFunc(ctx, func() { _ = file.Close() })() // a pipe to which nobody writes must not hold up a stop
	if n := utf8.RuneCountInString(i.Basis); n > maxBasis {
		return fmt.Errorf("--basis: got %d characters, want at most %d", n, maxBasis)
	}
	var done imported
	if i.Server != "" {
		done, err = i.remote(ctx, std, file)
	} else {
		done, err = i.local(ctx, std, file)
	}
	return i.conclude(std, done, err)
}

// conclude tells what an import did, also one that was stopped, and makes its exit code: what is stored is stored.
func (i *importFile) conclude(std IO, done imported, err error) error {
	if err == nil || done.Read > 0 || errors.Is(err, importer.ErrBrokeOff) {
		if encoded, err := json.Marshal(done); err == nil {
			fmt.Fprintln(std.Out, string(encoded))
		}
		report(std, i.File, done)
	}
	if err != nil { // the rows before are in, but whoever runs this must not think that all are
		return err
	}
	if i.Strict && done.Refused > 0 {
		return &exit{code: 2, err: fmt.Errorf("%d rows were refused", done.Refused)}
	}
	return nil
}

// imported is what an import did, and what it led to.
type imported struct {
	importer.Summary
	LearnSeconds float64           `json:"learn_seconds,omitempty"` // apart from the import's own seconds
	DryRun       bool              `json:"dry_run,omitempty"`       // nothing was stored: the numbers say what would have been
	Changes      []importer.Change `json:"changes,omitempty"`       // of a dry run, the first maxShownChanges

	unlearned error  // why nothing was learned; the next learning makes it good
	list      string // name of the file of refused rows
	listed    int    // how many are in it
	unlisted  error  // what is wrong with it
}

// keep closes the list of refused rows. What is wrong with it is told, and stops nothing.
func (i *imported) keep(rejected *importer.RejectedFile) {
	i.unlisted = rejected.Close()
	i.list, i.listed = rejected.Path, rejected.Rows
}

// maxShownChanges bounds the changes in the report of a dry run.
const maxShownChanges = 10_000

func (i *imported) change(c importer.Change) {
	if len(i.Changes) < maxShownChanges {
		i.Changes = append(i.Changes, c)
	}
}

// maxBasis is the longest basis in characters, as in the contract.
const maxBasis = 64

func (i *importFile) local(ctx context.Context, std IO, file *os.File) (done imported, err error) {
	c, _, err := i.load(std, map[string]string{"data": i.Data})
	if err != nil {
		return done, err
	}
	a, err := app.Open(ctx, app.Options{Config: c, Log: logger(std, c)})
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	retailerID := cmp.Or(i.Retailer, demo.Retailer)
	options, err := a.ImportOptions(ctx, retailerID)
	if err != nil {
		return done, err
	}
	rejected := importer.NewRejectedFile(i.File)
	options.Rejected = rejected
	options.Progress = progress(std, file)
	if i.DryRun {
		done.DryRun, options.Change = true, done.change
	}
	if err := a.Kept(ctx, retailerID); err != nil {
		return done, err
	}
	sink := a.Sink(retailerID, retailer.Editor{Role: "admin", Subject: "satnav import"}, i.Basis)
	sink.DryRun = i.DryRun
	done.Summary, err = importer.Run(ctx, importer.Kind(i.Kind), file, sink, options)
	done.keep(rejected)
	if !i.DryRun && (err == nil || errors.Is(err, importer.ErrBrokeOff)) && done.Stored > 0 && (done.Kind == importer.KindPurchases || done.Kind == importer.KindEvents) {
		fmt.Fprintln(std.Err, "learning from what was imported …")
		began := time.Now()
		_, done.unlearned = a.Retailers.Learn(ctx, retailerID)
		done.LearnSeconds = time.Since(began).Seconds()
	}
	return done, err
}

// remote sends the file to a running server and reads its report.
func (i *importFile) remote(ctx context.Context, std IO, file *os.File) (done imported, err error) {
	token, err := readToken(i.TokenFile)
	if err != nil {
		return done, err
	}
	target := strings.TrimSuffix(i.Server, "/") + "/v1/import/" + i.Kind
	query := url.Values{}
	if i.Basis != "" {
		query.Set("basis", i.Basis)
	}
	if i.DryRun {
		query.Set("dry_run", "true")
	}
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, &sent{file: file, shown: progress(std, file)})
	if err != nil {
		return done, err
	}
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() { // of a pipe nobody knows the size
		if request.ContentLength = info.Size(); info.Size() == 0 {
			request.Body = http.NoBody
		}
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/octet-stream")
	began := time.Now()
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return done, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		var problem wire.Problem
		if err := json.NewDecoder(answer.Body).Decode(&problem); err != nil {
			return done, fmt.Errorf("%s answered %s", i.Server, answer.Status)
		}
		return done, fmt.Errorf("%s: %s: %s", i.Server, problem.Title, problem.Detail)
	}
	var report wire.ImportReport
	if err := json.NewDecoder(answer.Body).Decode(&report); err != nil {
		return done, fmt.Errorf("%s: read the report: %w", i.Server, err)
	}
	done.DryRun = report.DryRun
	for _, c := range report.Changes {
		done.change(importer.Change{Line: int(c.Line), ID: c.ID, Created: c.Created, Changed: c.Changed})
	}
	done.Summary = importer.Summary{
		Kind: importer.Kind(i.Kind), Read: int(report.Rows), Stored: int(report.Stored), Created: int(report.Created), Unchanged: int(report.Unchanged),
		Refused: int(report.Refused), Mended: int(report.Mended), Seconds: time.Since(began).Seconds(),
	}
	for _, note := range report.Notes {
		done.Notes = append(done.Notes, importer.Note{Line: int(note.Line), Label: labelFrom(note), Text: note.Reason})
	}
	rejected := importer.NewRejectedFile(i.File)
	encoder := json.NewEncoder(rejected)
	encoder.SetEscapeHTML(false)
	for _, row := range report.Rejected {
		refusal := importer.Refusal{Line: int(row.Line), Label: labelFrom(row), Column: row.Column, Reason: row.Reason, Row: row.Row}
		if len(done.First) < shownRefusals {
			done.First = append(done.First, refusal)
		}
		_ = encoder.Encode(refusal) // keep tells what is wrong with the list
	}
	done.keep(rejected)
	if report.BrokeOff != "" {
		return done, brokenFile(report.BrokeOff)
	}
	return done, nil
}

// labelFrom is what a server says of which geofence a row is.
func labelFrom(row wire.RejectedRow) importer.Label {
	return importer.Label{Number: int(row.Number), ID: row.ID}
}

// sent is a file on its way to a server, told as progress.
type sent struct {
	file  io.ReadCloser
	so    importer.Progress
	shown func(importer.Progress) // nil: silence
}

func (s *sent) Read(p []byte) (int, error) {
	n, err := s.file.Read(p)
	if s.so.Bytes += int64(n); s.shown != nil {
		s.shown(s.so)
	}
	return n, err
}

func (s *sent) Close() error { return s.file.Close() }

// brokenFile is a server's word that a file broke off.
type brokenFile string

func (b brokenFile) Error() string { return string(b) }

func (brokenFile) Is(target error) bool { return target == importer.ErrBrokeOff }

// shownRefusals is how many refused rows are shown to a person; the file beside the import has all.
const shownRefusals = 20

// progress draws a bar when stderr is a terminal and the file has a size. Of a file on its way to a server, the rows
// are not known before its report.
func progress(std IO, file *os.File) func(importer.Progress) {
	terminal, ok := std.Err.(*os.File)
	info, err := file.Stat()
	if !ok || err != nil || !term.IsTerminal(int(terminal.Fd())) {
		return nil
	}
	bar := progressbar.NewOptions64(info.Size(),
		progressbar.OptionSetWriter(terminal), progressbar.OptionShowBytes(true), progressbar.OptionSetDescription(file.Name()),
		progressbar.OptionClearOnFinish())
	return func(p importer.Progress) {
		if p.Read > 0 {
			bar.Describe(fmt.Sprintf("%s: %d rows", file.Name(), p.Read))
		}
		_ = bar.Set64(p.Bytes) // a bar that cannot be drawn must not stop an import
	}
}

// report tells a person what an import did.
func report(std IO, name string, s imported) {
	rate := 0.0
	if s.Seconds > 0 {
		rate = float64(s.Read) / s.Seconds
	}
	stored := "stored"
	if s.DryRun {
		stored = "would be stored"
		if s.Kind != importer.KindPurchases && s.Kind != importer.KindEvents { // an event that is stored does not change
			stored += fmt.Sprintf(" (%d of them new)", s.Created)
		}
	}
	fmt.Fprintf(std.Err, "%s: %d rows read in %.1f s (%.0f a second): %d %s, %d unchanged, %d refused",
		name, s.Read, s.Seconds, rate, s.Stored, stored, s.Unchanged, s.Refused)
	if s.Mended > 0 {
		fmt.Fprintf(std.Err, ", %d of the stored were mended", s.Mended)
	}
	if s.LearnSeconds > 0 && s.unlearned == nil {
		fmt.Fprintf(std.Err, "; then learned in %.1f s", s.LearnSeconds)
	}
	fmt.Fprintln(std.Err)
	for _, c := range s.Changes[:min(shownRefusals, len(s.Changes))] {
		fmt.Fprintln(std.Err, "  "+c.String())
	}
	if more := len(s.Changes) - shownRefusals; more > 0 {
		fmt.Fprintf(std.Err, "  and %d more\n", more)
	}
	for _, r := range s.First {
		fmt.Fprintln(std.Err, "  "+r.String())
	}
	if more := s.Refused - len(s.First); more > 0 {
		fmt.Fprintf(std.Err, "  and %d more\n", more)
	}
	switch {
	case s.unlisted != nil:
		fmt.Fprintln(std.Err, "  warning:", s.unlisted)
	case s.listed < s.Refused:
		fmt.Fprintf(std.Err, "the first %d of %d refused rows are in %s: mend them and import the file again, which tells the next ones\n", s.listed, s.Refused, s.list)
	case s.Refused > 0:
		fmt.Fprintf(std.Err, "all refused rows are in %s\n", s.list)
	}
	if s.unlearned != nil {
		fmt.Fprintf(std.Err, "  warning: the rows are stored, but learning from them did not end; the next import learns from them too: %v\n", s.unlearned)
	}
	for _, note := range s.Notes {
		fmt.Fprintln(std.Err, "  note: "+note.String())
	}
}

// readToken reads the token that a file holds.
func readToken(name string) (string, error) {
	if name == "" {
		return "", errors.New("--server needs --token-file: make one with: satnav token --role backend --subject import > FILE")
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(text)), nil
}
