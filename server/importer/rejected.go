package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

// RejectedFile is the place for Options.Rejected beside an imported file: FILE.rejected.ndjson, for FILE.gz too. It
// is made at the first refused row; if none comes, one of an earlier import is removed, so that whoever finds the
// file knows that it speaks of the last import. It is for one goroutine.
//
// A list that cannot be kept (the folder may only be read, the disk is full) stops no import: Close says so.
type RejectedFile struct {
	Path string
	Rows int // that were written; fewer than were refused when Close returns an error

	file  *os.File
	fault error
}

// NewRejectedFile is the file for the refused rows of the file at path. Nothing is made yet.
func NewRejectedFile(path string) *RejectedFile {
	return &RejectedFile{Path: strings.TrimSuffix(path, ".gz") + ".rejected.ndjson"}
}

// Write keeps one row. It always succeeds: after the first fault, which Close returns, rows are dropped.
func (r *RejectedFile) Write(row []byte) (int, error) {
	if r.file == nil && r.fault == nil {
		r.file, r.fault = os.OpenFile(r.Path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) // it may hold personal data
	}
	if r.fault == nil {
		_, r.fault = r.file.Write(row)
	}
	if r.fault == nil {
		r.Rows++
	}
	return len(row), nil
}

// Close ends the file, or removes an older one if nothing was refused. Its error says what is not as it should be
// with the list of refused rows; the import stands.
func (r *RejectedFile) Close() error {
	if r.file == nil && r.fault == nil {
		// What is not there is not removed: in a folder that may only be read, even that would be an error.
		if _, err := os.Lstat(r.Path); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err := os.Remove(r.Path); err != nil {
			return fmt.Errorf("the refused rows of an earlier import are still there: %w", err)
		}
		return nil
	}
	if r.file != nil {
		r.fault = errors.Join(r.fault, r.file.Close())
	}
	if r.fault != nil {
		return fmt.Errorf("the refused rows could not be kept: %w", r.fault)
	}
	return nil
}
