package who

import (
	"slices"
	"time"
)

// Exposure says that an experiment made, or could have made, a difference for the shopper, and on which arm they are. What
// they do from then on is what the arms are compared by.
type Exposure struct {
	Experiment string
	Arm        string
	At         time.Time // of the first time
}

// MaxExposures bounds the experiments that are remembered for one shopper; a shopper in more counts for none of the others.
const MaxExposures = 16

// Exposures are the experiments that made a difference for the shopper, the first one first; none unless the purpose is
// Loyalty: what is compared rests on it.
func (v View) Exposures() []Exposure {
	if v.subject == nil || v.purpose != Loyalty {
		return nil
	}
	if len(v.subject.shopper.exposed) > 0 {
		v.subject.note(Loyalty)
	}
	return v.subject.shopper.exposed
}

// Exposed finds an experiment among exposures.
func Exposed(exposures []Exposure, experiment string) (Exposure, bool) {
	i := slices.IndexFunc(exposures, func(e Exposure) bool { return e.Experiment == experiment })
	if i < 0 {
		return Exposure{}, false
	}
	return exposures[i], true
}
