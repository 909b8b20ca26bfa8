//go:build !unix

package keyring

import "os"

// lock does nothing where there is no advisory lock: do not make a backup while the store serves there.
func lock(*os.File) error { return nil }
