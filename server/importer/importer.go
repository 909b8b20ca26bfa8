// Package importer reads a retailer's files (stores, geofences, products, stock, purchases, events) as
// streams and hands them, batch by batch, to whatever stores them.
//
// It exists so that the command line, the HTTP import and the demo city take the very same way in: the
// readers know files and nothing of databases, a Sink knows a database and nothing of files. Decided
// against: reading a whole file before the first row is stored (memory would grow with the file), and
// stopping at the first bad row (a night's import would die of one stray quote). So memory is constant,
// and a bad row is reported with its line, column and reason while the good ones around it are stored.
//
// Every import may be run again: rows already stored count as unchanged, so a run that was killed is
// resumed by starting it anew.
package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Kind says what the rows of a file are.
type Kind string

// The kinds, in the order in which a new retailer's files are best imported: purchases find their
// store's zone, geofences their linked store.
const (
	KindStores    Kind = "stores"
	KindGeofences Kind = "geofences"
	KindProducts  Kind = "products"
	KindStock     Kind = "stock"
	KindPurchases Kind = "purchases"
	KindEvents    Kind = "events"
)

// Kinds lists every kind, in import order.
var Kinds = []Kind{KindStores, KindGeofences, KindProducts, KindStock, KindPurchases, KindEvents}

// Sink stores rows. Each method takes a batch of at most Options.Batch rows and answers once they are
// durable, with one result per row in the same order; nil results mean that all were stored.
//
// A row that is already stored as given counts as Unchanged: that is what makes an import resumable.
// A row that cannot be stored is Refused with a reason, and never an error. An error stops the import.
// Calls come one after another. The slice belongs to the importer and is filled anew after the call;
// its strings and JSON may be kept.
type Sink interface {
	PutStores(ctx context.Context, rows []Store) ([]Result, error)
	PutGeofences(ctx context.Context, rows []Geofence) ([]Result, error)
	PutProducts(ctx context.Context, rows []Product) ([]Result, error)
	PutStock(ctx context.Context, rows []Stock) ([]Result, error)
	PutPurchases(ctx context.Context, rows []Purchase) ([]Result, error)
	PutEvents(ctx context.Context, rows []Event) ([]Result, error)
}

// Outcome is what became of one row.
type Outcome uint8

const (
	Stored    Outcome = iota // new or changed, and durable
	Unchanged                // was there before, exactly so
	Refused                  // not stored; the reason says why
)

// Result is a Sink's answer for one row.
type Result struct {
	Outcome Outcome
	Column  string // the column at fault; empty: the row as a whole
	Reason  string // when Refused: what was found and what is wanted. When Stored: what was mended, if anything

	// Of what is Stored, if the Sink tells: its id, whether it is new, and else what a dry run would change in it.
	ID      string
	Created bool
	Changed []string
}

// Change is what an import did to one thing, or would do.
type Change struct {
	Line    int      `json:"line"`
	ID      string   `json:"id"`
	Created bool     `json:"created"`           // else it was there, and was changed
	Changed []string `json:"changed,omitempty"` // what differs, of a dry run
}

func (c Change) String() string {
	if c.Created {
		return fmt.Sprintf("line %d: %s is new", c.Line, c.ID)
	}
	return fmt.Sprintf("line %d: %s changes: %s", c.Line, c.ID, strings.Join(c.Changed, ", "))
}

// Refusal is one row that was not stored, as it stands in FILE.rejected.ndjson.
type Refusal struct {
	Line int `json:"line"` // of the file, the first is 1; a row of several lines has its first
	Label
	Column string `json:"column,omitempty"` // a column's name or number; empty: the row as a whole
	Reason string `json:"reason"`           // what was found and what is wanted
	Row    string `json:"row,omitempty"`    // the row as it was read, cut after 64 KiB
}

func (r Refusal) String() string {
	if r.Column == "" {
		return fmt.Sprintf("line %d%s: %s", r.Line, r.Label, r.Reason)
	}
	return fmt.Sprintf("line %d%s, %s: %s", r.Line, r.Label, r.Column, r.Reason)
}

// Label names a geofence in a report: a file of a thousand may be one line.
type Label struct {
	Number int    `json:"number,omitempty"` // of the file's geofences, the first is 1; 0: the row is no geofence
	ID     string `json:"id,omitempty"`     // as it stands in the file; empty: it has none
}

func (l Label) String() string {
	switch {
	case l.Number == 0:
		return ""
	case l.ID == "":
		return fmt.Sprintf(", geofence %d", l.Number)
	}
	return fmt.Sprintf(", geofence %d %q", l.Number, l.ID)
}

// labelOf is the label of a row; rows that their lines name well enough have none.
func labelOf[T any](row *T) Label {
	if fence, is := any(row).(*Geofence); is {
		return fence.in
	}
	return Label{}
}

// Summary is what an import did.
type Summary struct {
	Kind      Kind          `json:"kind"`
	Read      int           `json:"read"` // rows seen: stored + unchanged + refused, unless the import was stopped
	Stored    int           `json:"stored"`
	Unchanged int           `json:"unchanged"`
	Refused   int           `json:"refused"`
	Created   int           `json:"created"` // of the stored: those that are new; 0 for purchases and events
	Mended    int           `json:"mended"`  // stored after a small repair, which Notes tells
	Took      time.Duration `json:"-"`
	Seconds   float64       `json:"seconds"`

	First []Refusal `json:"first,omitempty"` // the first refusals, at most 20
	// Notes are remarks on the file that refuse nothing: unknown columns (each once), rows that were
	// mended (the first 20).
	Notes []Note `json:"notes,omitempty"`
}

// Note is a remark on one line of a file.
type Note struct {
	Line int `json:"line"`
	Label
	Text string `json:"text"`
}

func (n Note) String() string { return fmt.Sprintf("line %d%s: %s", n.Line, n.Label, n.Text) }

// Progress is told after each batch.
type Progress struct {
	Read, Stored, Unchanged, Refused int
	// Bytes counts what was taken from the file, compressed if the file is: compare it with the file's size.
	Bytes int64
}

// Options change how a file is read. The zero value is a retailer without a currency, in UTC.
type Options struct {
	// Currency is the retailer's ISO 4217 code; it says how many decimals money has, and a product that names
	// another is refused. Empty: two decimals, and all products that name a currency name the same.
	Currency string
	// Zone finds the time zone of a store ("" is the retailer itself), by which a date without a time
	// means noon and a purchase without a basket finds its day. nil, or a nil answer: UTC. It is called
	// for each row that needs it, in another goroutine than the Sink, and must be quick.
	Zone func(store string) *time.Location
	// Rejected gets each Refusal as one JSON object a line, in file order. nil: refusals are counted only.
	Rejected io.Writer
	// Progress is called after each batch, in the goroutine of Run. nil: silence.
	Progress func(Progress)
	// Change is called for each thing that is stored, in order, in the goroutine of Run, if the Sink tells. nil: nobody asks.
	Change func(Change)
	// Batch is the most rows in one call of the Sink; 0 means 4,096. Fewer come where rows are long.
	Batch int
	// FirstLine is the number of the first line, when r is a later piece of a file; 0 means 1. Each piece has
	// a header of its own, and is best cut between two shoppers: equal lines are told apart within a piece.
	FirstLine int
	// MaxBytes is the most that a file may be, as it comes and unpacked; more is ErrTooLarge. 0: no limit.
	MaxBytes int64
}

const (
	defaultBatch  = 4096
	firstRefusals = 20       // refusals and notes kept in a summary
	rejectedBytes = 64 << 10 // of a refused row that are written back
	batchBytes    = 4 << 20  // of text after which a batch ends, whatever the number of its rows
)

// ErrNothingRead wraps an error that came before any row: no header, a missing column, not a text file.
var ErrNothingRead = errors.New("nothing could be read")

// ErrBrokeOff wraps an error that ended the file after some rows: it is cut off, damaged or too large. The rows
// before are stored.
var ErrBrokeOff = errors.New("the file broke off")

// Run imports all rows of one kind from r, which may be gzip-compressed (told by its content).
//
// Stores, products, stock, purchases and events are CSV with a header line, columns in any order, or
// NDJSON with the same names as keys; geofences are a GeoJSON FeatureCollection, one Feature, one Feature
// a line, KML, WKT (one a line, behind an id and a tab), or CSV with lat, lng and radius_m, or wkt.
//
// The file is parsed in a goroutine of its own while the Sink stores the batch before. An error means
// that the file was not read to its end; the summary then tells what was stored until there. It wraps
// ErrNothingRead when no row was, ErrBrokeOff when the file is at fault later on.
func Run(ctx context.Context, kind Kind, r io.Reader, sink Sink, opts Options) (Summary, error) {
	if opts.Batch <= 0 {
		opts.Batch = defaultBatch
	}
	counted := &countingReader{from: atMost(r, opts.MaxBytes)}
	run := func(f func(io.Reader) (Summary, error)) (Summary, error) {
		text, err := plain(counted, opts.MaxBytes)
		if err != nil {
			return Summary{Kind: kind}, fmt.Errorf("%s: %w: %w", kind, ErrNothingRead, err)
		}
		summary, err := f(text)
		summary.Kind = kind
		switch {
		case err == nil:
			return summary, nil
		case summary.Read == 0 && ctx.Err() == nil && !errors.As(err, new(sinkError)):
			return summary, fmt.Errorf("%s: %w: %w", kind, ErrNothingRead, err)
		case ctx.Err() == nil && !errors.As(err, new(sinkError)):
			return summary, fmt.Errorf("%s: %w after %d rows: %w", kind, ErrBrokeOff, summary.Read, err)
		default:
			return summary, fmt.Errorf("%s: stopped after %d rows: %w", kind, summary.Read, err)
		}
	}
	switch kind {
	case KindStores:
		return run(func(r io.Reader) (Summary, error) {
			rows := tableOf(r, storeColumns, opts, decodeStore)
			return pump(ctx, counted, uniqueOf(rows, "store", func(s *Store) string { return s.ID }), sink.PutStores, opts)
		})
	case KindProducts:
		return run(func(r io.Reader) (Summary, error) {
			rows := tableOf(r, productColumns, opts, new(productDecoder).decode)
			return pump(ctx, counted, uniqueOf(rows, "item", func(p *Product) string { return p.Item }), sink.PutProducts, opts)
		})
	case KindStock:
		return run(func(r io.Reader) (Summary, error) {
			rows := tableOf(r, stockColumns, opts, decodeStock)
			return pump(ctx, counted, uniqueOf(rows, "", func(s *Stock) string { return s.Item + " in " + s.Store }), sink.PutStock, opts)
		})
	case KindPurchases:
		return run(func(r io.Reader) (Summary, error) {
			return pump(ctx, counted, tableOf(r, purchaseColumns, opts, new(purchaseDecoder).decode), sink.PutPurchases, opts)
		})
	case KindEvents:
		return run(func(r io.Reader) (Summary, error) {
			return pump(ctx, counted, tableOf(r, eventColumns, opts, new(eventDecoder).decode), sink.PutEvents, opts)
		})
	case KindGeofences:
		return run(func(r io.Reader) (Summary, error) {
			rows := &named{source: featuresOf(r, opts)}
			return pump(ctx, counted, uniqueOf(rows, "id", func(g *Geofence) string { return g.ID }), tellMended(sink.PutGeofences), opts)
		})
	}
	return Summary{Kind: kind}, fmt.Errorf("%w: unknown kind %q, want one of %v", ErrNothingRead, kind, Kinds)
}

// source is a file as a stream of rows.
type source[T any] interface {
	// next returns one row, or the refusal of one row, or an error that ends the file: io.EOF at its
	// proper end. raw is the row's text, for the report if the Sink refuses it.
	next() (row T, line int, raw string, refusal *Refusal, err error)
	// notes are remarks on the file as a whole, complete once next has returned an error.
	notes() []Note
}

// sinkError marks an error of the Sink, which says nothing about the file.
type sinkError struct{ error }

func (e sinkError) Unwrap() error { return e.error }

// batch is what travels from the parser to the sink. Its slices are reused.
type batch[T any] struct {
	rows     []T
	lines    []int
	raws     []string
	refusals []Refusal
	bytes    int64
	err      error // after these rows; io.EOF at the proper end
}

// pump moves rows from the source to put: one goroutine parses ahead, at most two batches, while the
// caller's stores.
func pump[T any](ctx context.Context, counted *countingReader, from source[T], put func(context.Context, []T) ([]Result, error), opts Options) (summary Summary, err error) {
	began := time.Now()
	parsed, free := make(chan *batch[T], 1), make(chan *batch[T], 3)
	for range cap(free) {
		free <- new(batch[T])
	}
	stop := make(chan struct{})
	done := make(chan struct{})
	defer func() {
		close(stop)
		<-done
		if err == nil || !errors.As(err, new(sinkError)) {
			summary.Notes = append(from.notes(), summary.Notes...)
		}
		summary.Took = time.Since(began)
		summary.Seconds = summary.Took.Seconds()
	}()
	go func() {
		defer close(done)
		for {
			var b *batch[T]
			select {
			case b = <-free:
			case <-stop:
				return
			}
			b.fill(from, opts.Batch)
			b.bytes = counted.n.Load()
			select {
			case parsed <- b:
			case <-stop:
				return
			}
			if b.err != nil {
				return
			}
		}
	}()

	var rejected *json.Encoder
	if opts.Rejected != nil {
		rejected = json.NewEncoder(opts.Rejected)
		rejected.SetEscapeHTML(false)
	}
	for {
		var b *batch[T]
		select {
		case b = <-parsed:
		case <-ctx.Done():
		}
		if ctx.Err() != nil { // also when both were ready
			return summary, context.Cause(ctx)
		}
		summary.Read += len(b.refusals)
		if len(b.rows) > 0 {
			results, err := put(ctx, b.rows)
			if err != nil {
				return summary, sinkError{fmt.Errorf("rows of lines %d to %d: %w", b.lines[0], b.lines[len(b.lines)-1], err)}
			}
			if results != nil && len(results) != len(b.rows) {
				return summary, sinkError{fmt.Errorf("rows of lines %d to %d: got %d results for %d rows", b.lines[0], b.lines[len(b.lines)-1], len(results), len(b.rows))}
			}
			summary.Read += len(b.rows)
			summary.Stored += len(b.rows)
			for i, result := range results {
				if result.Outcome == Stored && result.ID != "" {
					if result.Created {
						summary.Created++
					}
					if opts.Change != nil {
						opts.Change(Change{b.lines[i], result.ID, result.Created, result.Changed})
					}
				}
				switch {
				case result.Outcome == Unchanged:
					summary.Stored--
					summary.Unchanged++
				case result.Outcome == Refused:
					summary.Stored--
					b.refusals = append(b.refusals, Refusal{Line: b.lines[i], Label: labelOf(&b.rows[i]), Column: result.Column, Reason: result.Reason, Row: b.raws[i]})
				case result.Reason != "":
					summary.Mended++
					if len(summary.Notes) < firstRefusals {
						summary.Notes = append(summary.Notes, Note{b.lines[i], labelOf(&b.rows[i]), "mended: " + result.Reason})
					}
				}
			}
		}
		slices.SortStableFunc(b.refusals, func(x, y Refusal) int { return x.Line - y.Line })
		for _, refusal := range b.refusals {
			summary.Refused++
			if len(summary.First) < firstRefusals {
				first := refusal
				first.Row = cut(first.Row, 200)
				summary.First = append(summary.First, first)
			}
			if rejected != nil {
				if err := rejected.Encode(refusal); err != nil {
					return summary, sinkError{fmt.Errorf("write the refused row of line %d: %w", refusal.Line, err)}
				}
			}
		}
		if opts.Progress != nil {
			opts.Progress(Progress{Read: summary.Read, Stored: summary.Stored, Unchanged: summary.Unchanged, Refused: summary.Refused, Bytes: b.bytes})
		}
		if b.err != nil {
			if errors.Is(b.err, io.EOF) {
				return summary, nil
			}
			return summary, b.err
		}
		free <- b
	}
}

// fill reads up to size rows or refusals, and no more text than batchBytes and one row: neither many bad rows nor long
// ones make an import larger.
func (b *batch[T]) fill(from source[T], size int) {
	clear(b.rows) // do not keep the strings of rows that are long stored
	clear(b.raws)
	clear(b.refusals)
	b.rows, b.lines, b.raws, b.refusals, b.err = b.rows[:0], b.lines[:0], b.raws[:0], b.refusals[:0], nil
	for text := 0; len(b.rows) < size && len(b.refusals) < size && text < batchBytes; {
		row, line, raw, refusal, err := from.next()
		switch {
		case err != nil:
			b.err = err
			return
		case refusal != nil:
			refusal.Row = cut(refusal.Row, rejectedBytes)
			text += len(refusal.Row) + len(refusal.Reason)
			b.refusals = append(b.refusals, *refusal)
		default:
			text += len(raw)
			b.rows, b.lines, b.raws = append(b.rows, row), append(b.lines, line), append(b.raws, cut(raw, rejectedBytes))
		}
	}
}

// cut shortens s to at most n bytes, on a rune's edge, and marks that it did.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n] + "…"
}
