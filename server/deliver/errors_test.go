package deliver_test

import (
	"errors"

	"satnav/server/store"
)

func isConflict(err error) bool { return errors.Is(err, store.ErrConflict) }
func isNotFound(err error) bool { return errors.Is(err, store.ErrNotFound) }
