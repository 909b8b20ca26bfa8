package command

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"satnav/server/measure"
)

// measures tells which test holds which promise.
type measures struct {
	Results string `help:"What came of the tests, as make measures keeps it." placeholder:"FILE" default:"bin/measures.json"`
	Record  bool   `help:"Read what go test -json tells from standard input, keep what came of the tests in the file of results, and print what go test would. It ends with code 1 unless all passed."`
}

// Run prints the page, or records.
func (m *measures) Run(std IO) error {
	results := measure.Results{}
	text, err := os.ReadFile(m.Results)
	if err == nil {
		err = json.Unmarshal(text, &results)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("results: %w", err)
	}
	if !m.Record {
		if err != nil {
			fmt.Fprintf(std.Err, "%s is not there: make measures writes it\n", m.Results)
		}
		_, err = fmt.Fprint(std.Out, measure.Page(measure.All(), results))
		return err
	}
	failed := measure.Record(os.Stdin, std.Out, measure.All(), results)
	if text, err = json.MarshalIndent(results, "", "  "); err == nil {
		err = os.WriteFile(m.Results, append(text, '\n'), 0o644)
	}
	return errors.Join(failed, err)
}
