package visit

import (
	"fmt"
	"time"
)

// Skew rules: a phone's clock is compared with ours by the instant at which it sent the call, never by
// what it tells of the past.
const (
	skewIgnored = 2 * time.Minute // less than this is the network and rounding
	skewRefused = 12 * time.Hour  // more than this is no clock at all
)

// SkewError says that the device's clock is so far off that its times mean nothing.
type SkewError struct{ SentAt, Arrived time.Time }

func (e *SkewError) Error() string {
	return fmt.Sprintf("sent_at is %s, but it arrived at %s: set the device's clock, or leave sent_at out",
		e.SentAt.UTC().Format(time.RFC3339), e.Arrived.UTC().Format(time.RFC3339))
}

// Skew is how far a device's clock is ahead of ours: take it off every time that the device tells. A zero
// sentAt, and a difference that the network explains, is no skew. It returns *SkewError when the clock is
// of no use.
func Skew(sentAt, arrived time.Time) (time.Duration, error) {
	if sentAt.IsZero() {
		return 0, nil
	}
	skew := sentAt.Sub(arrived)
	switch {
	case skew.Abs() > skewRefused:
		return 0, &SkewError{SentAt: sentAt, Arrived: arrived}
	case skew.Abs() < skewIgnored:
		return 0, nil
	}
	return skew, nil
}
