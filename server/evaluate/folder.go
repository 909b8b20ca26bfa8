package evaluate

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"satnav/server/importer"
)

// Names of the files of a folder, each as it is or with .gz behind.
const (
	basketsFile  = "baskets.csv"
	targetsFile  = "targets.csv"
	splitFile    = "split.csv"
	checkinsFile = "checkins.csv"
)

// Folder is research data, as studies of the next basket or the next place publish it: CSV files with a header, gzip
// or not.
//
//   - baskets.csv (user,basket,day,item): what shoppers bought, one line an item. basket counts a user's baskets from 0, the
//     oldest; day is how many days before "now" it was (0 or less), or empty throughout, and then only the order is known. A
//     user's lines stand together, the oldest basket first.
//   - targets.csv (user,item): the basket that each user bought next, which is to be guessed.
//   - split.csv (user,fold0,fold1,…): the part of each user in each fold: train, val or test. What users of the part train
//     bought next may be learnt from, those of the part test are asked about. Without the file, all are asked about.
//   - checkins.csv (user,seq,minute,poi,lat,lng,split): where users were, minute by minute from the start of the set; a user's
//     lines are in order of seq. Each check-in of the part test is guessed from all before it.
//
// A folder holds baskets or check-ins.
type Folder string

// Places tells whether the folder holds check-ins.
func (f Folder) Places() (bool, error) {
	for name, places := range map[string]bool{checkinsFile: true, basketsFile: false} {
		switch _, err := f.find(name); {
		case err == nil:
			return places, nil
		case !errors.Is(err, fs.ErrNotExist):
			return false, err
		}
	}
	return false, fmt.Errorf("%s: found neither %s nor %s, as they are or with .gz behind", string(f), basketsFile, checkinsFile)
}

// find returns the name of a file of the folder.
func (f Folder) find(name string) (string, error) {
	path := filepath.Join(string(f), name)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return path, err
	}
	_, err := os.Stat(path + ".gz")
	return path + ".gz", err
}

// open opens a file of the folder.
func (f Folder) open(name string) (*os.File, error) {
	path, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// each calls row with the named columns of each line of a file. The cells are valid until it returns.
func (f Folder) each(name string, columns []string, row func(cells []string) error) (err error) {
	file, err := f.open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	set, err := importer.OpenSet(file, columns...)
	if err != nil {
		return fmt.Errorf("%s: %w", file.Name(), err)
	}
	for {
		cells, err := set.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = row(cells)
		}
		if err != nil {
			return fmt.Errorf("%s: line %d: %w", file.Name(), set.Line, err)
		}
	}
}
