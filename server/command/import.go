package command

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	if n := utf8.RuneCountInString(i.Basis); n > maxBasis {
		return fmt.Errorf("--basis: got %d characters, want at most %d", n, maxBasis)
	}
	var summary imported
	if i.Server != "" {
		summary.Summary, err = i.remote(ctx, file)
	} else {
		summary, err = i.local(ctx, std, file)
	}
	brokeOff := errors.Is(err, importer.ErrBrokeOff)
	if err != nil && !brokeOff {
		return err
	}
	if encoded, err := json.Marshal(summary); err == nil {
		fmt.Fprintln(std.Out, string(encoded))
	}
	report(std, i.File, summary)
	if brokeOff { // the rows before are in, but whoever runs this must not think that all are
		return err
	}
	if i.Strict && summary.Refused > 0 {
		return &exit{code: 2, err: fmt.Errorf("%d rows were refused", summary.Refused)}
	}
	return nil
}

// imported is what an import did, and what it led to.
type imported struct {
	importer.Summary
	LearnSeconds float64 `json:"learn_seconds,omitempty"` // apart from the import's own seconds
}

// maxBasis is the longest basis in characters, as in the contract.
const maxBasis = 64

func (i *importFile) local(ctx context.Context, std IO, file *os.File) (summary imported, err error) {
	c, _, err := i.load(std, map[string]string{"data": i.Data})
	if err != nil {
		return summary, err
	}
	a, err := app.Open(ctx, app.Options{Config: c, Log: logger(std, c)})
	if err != nil {
		return summary, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	retailerID := cmp.Or(i.Retailer, demo.Retailer)
	options, err := a.ImportOptions(ctx, retailerID)
	if err != nil {
		return summary, err
	}
	rejected := importer.NewRejectedFile(i.File)
	defer func() { err = errors.Join(err, rejected.Close()) }()
	options.Rejected = rejected
	options.Progress = progress(std, file)
	by := retailer.Editor{Role: "admin", Subject: "satnav import"}
	summary.Summary, err = importer.Run(ctx, importer.Kind(i.Kind), file, a.Sink(retailerID, by, i.Basis), options)
	if (err == nil || errors.Is(err, importer.ErrBrokeOff)) && summary.Stored > 0 && (summary.Kind == importer.KindPurchases || summary.Kind == importer.KindEvents) {
		fmt.Fprintln(std.Err, "learning from what was imported …")
		began := time.Now()
		_, unlearned := a.Retailers.Learn(ctx, retailerID)
		summary.LearnSeconds = time.Since(began).Seconds()
		err = errors.Join(err, unlearned)
	}
	return summary, err
}

// remote sends the file to a running server and reads its report.
func (i *importFile) remote(ctx context.Context, file *os.File) (importer.Summary, error) {
	token, err := readToken(i.TokenFile)
	if err != nil {
		return importer.Summary{}, err
	}
	target := strings.TrimSuffix(i.Server, "/") + "/v1/import/" + i.Kind
	if i.Basis != "" {
		target += "?" + url.Values{"basis": {i.Basis}}.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, file)
	if err != nil {
		return importer.Summary{}, err
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
		return importer.Summary{}, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		var problem wire.Problem
		if err := json.NewDecoder(answer.Body).Decode(&problem); err != nil {
			return importer.Summary{}, fmt.Errorf("%s answered %s", i.Server, answer.Status)
		}
		return importer.Summary{}, fmt.Errorf("%s: %s: %s", i.Server, problem.Title, problem.Detail)
	}
	var report wire.ImportReport
	if err := json.NewDecoder(answer.Body).Decode(&report); err != nil {
		return importer.Summary{}, fmt.Errorf("%s: read the report: %w", i.Server, err)
	}
	rejected := importer.NewRejectedFile(i.File)
	summary := importer.Summary{
		Kind: importer.Kind(i.Kind), Read: int(report.Rows), Stored: int(report.Stored), Unchanged: int(report.Unchanged),
		Refused: int(report.Refused), Mended: int(report.Mended), Seconds: time.Since(began).Seconds(),
	}
	for _, note := range report.Notes {
		summary.Notes = append(summary.Notes, importer.Note{Line: int(note.Line), Text: note.Reason})
	}
	encoder := json.NewEncoder(rejected)
	for _, row := range report.Rejected {
		refusal := importer.Refusal{Line: int(row.Line), Column: row.Column, Reason: row.Reason, Row: row.Row}
		if len(summary.First) < shownRefusals {
			summary.First = append(summary.First, refusal)
		}
		if err := encoder.Encode(refusal); err != nil {
			return summary, errors.Join(err, rejected.Close())
		}
	}
	err = rejected.Close()
	if report.BrokeOff != "" {
		err = errors.Join(brokenFile(report.BrokeOff), err)
	}
	return summary, err
}

// brokenFile is a server's word that a file broke off.
type brokenFile string

func (b brokenFile) Error() string { return string(b) }

func (brokenFile) Is(target error) bool { return target == importer.ErrBrokeOff }

// shownRefusals is how many refused rows are shown to a person; the file beside the import has all.
const shownRefusals = 20

// progress draws a bar when stderr is a terminal and the file has a size.
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
		bar.Describe(fmt.Sprintf("%s: %d rows", file.Name(), p.Read))
		_ = bar.Set64(p.Bytes) // a bar that cannot be drawn must not stop an import
	}
}

// report tells a person what an import did.
func report(std IO, name string, s imported) {
	rate := 0.0
	if s.Seconds > 0 {
		rate = float64(s.Read) / s.Seconds
	}
	fmt.Fprintf(std.Err, "%s: %d rows read in %.1f s (%.0f a second): %d stored, %d unchanged, %d refused",
		name, s.Read, s.Seconds, rate, s.Stored, s.Unchanged, s.Refused)
	if s.Mended > 0 {
		fmt.Fprintf(std.Err, ", %d of the stored were mended", s.Mended)
	}
	if s.LearnSeconds > 0 {
		fmt.Fprintf(std.Err, "; then learned in %.1f s", s.LearnSeconds)
	}
	fmt.Fprintln(std.Err)
	for _, r := range s.First {
		fmt.Fprintln(std.Err, "  "+r.String())
	}
	if more := s.Refused - len(s.First); more > 0 {
		fmt.Fprintf(std.Err, "  and %d more\n", more)
	}
	if s.Refused > 0 {
		fmt.Fprintf(std.Err, "all refused rows are in %s.rejected.ndjson\n", name)
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
