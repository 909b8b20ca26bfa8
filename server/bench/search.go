package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// sustained tells whether the calls were answered as they came: no error, and 99 of 100 within the bound.
func (o *outcome) sustained(bound time.Duration) bool {
	return o.Errors == 0 && !o.GivenUp && o.Sent > 0 && o.all().ValueAtQuantile(99) <= bound.Microseconds()
}

// search finds the highest rate that holds.
type search struct {
	from    float64       // a rate at which to begin
	most    float64       // the highest rate that is tried; 0: no end
	bound   time.Duration // of p99
	probe   time.Duration // of each try
	confirm time.Duration // of the run that counts
	// try makes a load of so many calls a second.
	try func(ctx context.Context, rate float64, lasting time.Duration) (outcome, error)
	// said is told each try.
	said func(rate float64, o *outcome)
}

const (
	precision     = 0.04 // of the search, as a share of the rate
	confirmations = 6    // rates that are tried for the whole time; each step down is larger than the one before
)

// highest returns the highest rate that was confirmed, with its outcome.
func (s *search) highest(ctx context.Context) (rate float64, o outcome, err error) {
	holds := func(rate float64, lasting time.Duration) bool {
		if err != nil {
			return false
		}
		if o, err = s.try(ctx, rate, lasting); err != nil {
			return false
		}
		if err = ctx.Err(); err != nil {
			return false
		}
		s.said(rate, &o)
		return o.sustained(s.bound)
	}
	probed := func(rate float64) bool { // a short try may meet with a neighbour of ours: it is given a second one
		if holds(rate, s.probe) {
			return true
		}
		return holds(rate, s.probe)
	}
	low, high := 0.0, s.from
	for probed(high) {
		if low, high = high, high*2; s.most > 0 && high > s.most {
			high = low
			break
		}
	}
	if low == 0 {
		for low = high / 2; err == nil && low >= 1 && !probed(low); low /= 2 {
			high = low
		}
	}
	for err == nil && high-low > precision*high {
		if middle := (low + high) / 2; probed(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	for i := range confirmations {
		if holds(low, s.confirm) {
			return low, o, nil
		}
		if err != nil {
			return 0, o, err
		}
		low *= 1 - precision*float64(i+1)
	}
	if o.First != nil {
		return 0, o, fmt.Errorf("no rate holds: %w", o.First)
	}
	return 0, o, errors.New("no rate holds: the machine is too busy")
}
