package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"satnav/sdk-contract/wire"
	"satnav/server/identity"
	"satnav/server/importer"
)

// importRoles are who may import what. Files about shoppers are a back end's.
var importRoles = map[importer.Kind][]identity.Role{
	importer.KindStores:    {identity.Manager, identity.Backend, identity.Admin},
	importer.KindGeofences: {identity.Manager, identity.Backend, identity.Admin},
	importer.KindProducts:  {identity.Product, identity.Manager, identity.Backend, identity.Admin},
	importer.KindStock:     {identity.Product, identity.Manager, identity.Backend, identity.Admin},
	importer.KindPurchases: {identity.Backend, identity.Admin},
	importer.KindEvents:    {identity.Backend, identity.Admin},
}

// What a report tells at most. It is made in memory, so rows are bounded in bytes too.
const (
	maxRejected      = 10_000  // refused rows
	maxRejectedBytes = 4 << 20 // of their text
	maxNotes         = 1_000
	maxChanges       = 10_000 // of a dry run
)

// PostImport reads a file as it comes.
func (a *API) PostImport(c *fiber.Ctx, kind wire.ImportKind, params wire.PostImportParams) error {
	what := importer.Kind(strings.Clone(string(kind)))
	roles, ok := importRoles[what]
	if !ok {
		return problem(notFound, "there are no %s to import, only stores, geofences, products, stock, purchases and events", quote(string(kind)))
	}
	claims := caller(c)
	if !slices.Contains(roles, claims.Role) {
		return problem(forbidden, "the role %s may not import %s", claims.Role, what)
	}
	if !claims.WholeRetailer() && what != importer.KindGeofences {
		return problem(forbidden, "a manager of some stores may import geofences only")
	}
	if err := checkMediaType(c.Get(fiber.HeaderContentType), []string{"text/csv", "application/x-ndjson", "application/geo+json", "application/json",
		"application/vnd.google-earth.kml+xml", "text/plain", "application/gzip", "application/octet-stream"}); err != nil {
		return err
	}
	if _, err := isPacked(c); err != nil { // the importer sees by itself what is packed
		return err
	}
	var file io.Reader = bytes.NewReader(nil)
	if stream := chunks(c); stream != nil {
		file = patient{c.Context().Conn(), stream}
	} else if raw := c.Request().Body(); len(raw) > 0 {
		file = bytes.NewReader(raw)
	}
	rejected, brokeOff := &rejectedRows{}, ""
	var changes []wire.ImportChange
	summary, err := a.Import(c.UserContext(), Upload{
		Retailer: claims.Retailer, By: editor(c), Kind: what, File: file, Rejected: rejected, FirstLine: int(params.FirstLine),
		Basis: strings.Clone(params.Basis), DryRun: params.DryRun,
		Change: func(change importer.Change) {
			if params.DryRun && len(changes) < maxChanges {
				changes = append(changes, wire.ImportChange{Line: int64(change.Line), ID: change.ID, Created: change.Created, Changed: change.Changed})
			}
		},
	})
	switch {
	case errors.Is(err, importer.ErrTooLarge):
		return problem(tooLarge, "%s; the rows before are stored: send the rest in pieces, each with a header and its first_line", err)
	case errors.Is(err, importer.ErrNothingRead):
		return &failure{kind: invalidRequest, detail: err.Error()}
	case err != nil && !errors.Is(err, importer.ErrBrokeOff):
		return err
	case err != nil: // the rows before the break are stored; how many are missing nobody knows
		brokeOff = err.Error()
	}
	out := wire.ImportReport{
		Kind: kind, DryRun: params.DryRun, Rows: int64(summary.Read), Stored: int64(summary.Stored), Created: int64(summary.Created), Unchanged: int64(summary.Unchanged),
		Refused: int64(summary.Refused), Mended: int64(summary.Mended), Rejected: rejected.rows, BrokeOff: brokeOff, Changes: changes,
	}
	if out.Rejected == nil {
		out.Rejected = []wire.RejectedRow{}
	}
	for _, note := range summary.Notes[:min(len(summary.Notes), maxNotes)] {
		out.Notes = append(out.Notes, wire.RejectedRow{Line: int64(note.Line), Number: int64(note.Number), ID: note.ID, Reason: note.Text})
	}
	return encode(c, out)
}

// patient reads a file that takes its time: each piece of it may take as long as a whole request otherwise may.
type patient struct {
	from interface{ SetReadDeadline(time.Time) error }
	file io.Reader
}

func (p patient) Read(b []byte) (int, error) {
	if err := p.from.SetReadDeadline(time.Now().Add(readTimeout)); err != nil {
		return 0, err
	}
	return p.file.Read(b)
}

// rejectedRows collects the refusals that an import writes, one JSON object a line: the first ones, as many as a
// report may have.
type rejectedRows struct {
	rows  []wire.RejectedRow
	bytes int
	full  bool
}

func (r *rejectedRows) Write(line []byte) (int, error) {
	r.bytes += len(line)
	if r.full = r.full || len(r.rows) == maxRejected || r.bytes > maxRejectedBytes; r.full {
		return len(line), nil
	}
	var row wire.RejectedRow
	if err := json.Unmarshal(line, &row); err != nil {
		return 0, err
	}
	r.rows = append(r.rows, row)
	return len(line), nil
}
