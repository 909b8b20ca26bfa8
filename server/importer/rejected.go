package importer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// RejectedFile is the place for Options.Rejected beside an imported file: FILE.rejected.ndjson. It is
// made at the first refused row; if none comes, one of an earlier import is removed, so that whoever
// finds the file knows that it speaks of the last import. It is for one goroutine.
type RejectedFile struct {
	Path string
	file *os.File
}

// NewRejectedFile is the file for the refused rows of the file at path. Nothing is made yet.
func NewRejectedFile(path string) *RejectedFile {
	return &RejectedFile{Path: path + ".rejected.ndjson"}
}

func (r *RejectedFile) Write(p []byte) (int, error) {
	if r.file == nil {
		f, err := os.OpenFile(r.Path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) // it may hold personal data
		if err != nil {
			return 0, fmt.Errorf("make the file of refused rows: %w", err)
		}
		r.file = f
	}
	return r.file.Write(p)
}

// Close ends the file, or removes an older one if nothing was refused.
func (r *RejectedFile) Close() error {
	if r.file != nil {
		return r.file.Close()
	}
	if err := os.Remove(r.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the refused rows of an earlier import: %w", err)
	}
	return nil
}
