package importer

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf8"

	"satnav/geo"
)

// features reads geofences through geo's readers, one for each form of file.
type features struct {
	in     fenceReader
	before int // lines of the file's earlier pieces
}

func featuresOf(r io.Reader, opts Options) features {
	return features{fencesIn(r), max(0, opts.FirstLine-1)}
}

func (f features) notes() []Note { return nil }

func (f features) next() (row Geofence, line int, raw string, refusal *Refusal, err error) {
	read, err := f.in.Next()
	if errors.Is(err, io.EOF) {
		return row, 0, "", nil, io.EOF
	}
	if err != nil {
		return row, 0, "", nil, err
	}
	if read.Err == nil && !utf8.Valid(read.Raw) {
		read.Err = errors.New("not UTF-8 text: save the file as UTF-8")
	}
	text := bytes.Clone(read.Raw)
	named := Label{read.Number, read.Fence.ID}
	if read.Err == nil {
		return Geofence{Geofence: read.Fence, Feature: text, Mended: read.Mended, in: named}, read.Line + f.before, string(text), nil, nil
	}
	refusal = &Refusal{Line: read.Line + f.before, Label: named, Reason: read.Err.Error(), Row: string(text)}
	if fault := new(geo.Fault); errors.As(read.Err, &fault) {
		refusal.Column = fault.At
		bare := geo.Fault{What: fault.What, Mend: fault.Mend} // where it is stands in its own column
		refusal.Reason = bare.Error()
	}
	return row, refusal.Line, "", refusal, nil
}
