package retailer

import (
	"strings"
	"sync"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/au"
	"github.com/rickar/cal/v2/be"
	"github.com/rickar/cal/v2/br"
	"github.com/rickar/cal/v2/ca"
	"github.com/rickar/cal/v2/ch"
	"github.com/rickar/cal/v2/cz"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/dk"
	"github.com/rickar/cal/v2/es"
	"github.com/rickar/cal/v2/fi"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/ie"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/jp"
	"github.com/rickar/cal/v2/mx"
	"github.com/rickar/cal/v2/nl"
	"github.com/rickar/cal/v2/no"
	"github.com/rickar/cal/v2/nz"
	"github.com/rickar/cal/v2/pl"
	"github.com/rickar/cal/v2/pt"
	"github.com/rickar/cal/v2/se"
	"github.com/rickar/cal/v2/us"
	"github.com/rickar/cal/v2/za"
)

// The years for which holidays are resolved: loyalty histories and evaluations reach back, schedules ahead.
const firstHolidayYear, lastHolidayYear = 2000, 2040

var holidaysOf = map[string][]*cal.Holiday{
	"AT": at.Holidays, "AU": au.HolidaysNSW, "BE": be.Holidays, "BR": br.Holidays, "CA": ca.Holidays,
	"CH": ch.Holidays, "CZ": cz.Holidays, "DE": de.Holidays, "DK": dk.Holidays, "ES": es.Holidays,
	"FI": fi.Holidays, "FR": fr.Holidays, "GB": gb.Holidays, "IE": ie.Holidays, "IT": it.Holidays,
	"JP": jp.Holidays, "MX": mx.Holidays, "NL": nl.Holidays, "NO": no.Holidays, "NZ": nz.Holidays,
	"PL": pl.Holidays, "PT": pt.Holidays, "SE": se.Holidays, "US": us.Holidays, "ZA": za.Holidays,
}

var holidayDates sync.Map // country → map[string]string

// HolidaysIn names the public holidays of a region by local date ("2026-12-25"). A region begins with
// the ISO 3166 code of its country ("PT", "DE-BY"); one whose country is not known has none. The map is shared.
func HolidaysIn(region string) map[string]string {
	country, _, _ := strings.Cut(strings.ToUpper(region), "-")
	if dates, ok := holidayDates.Load(country); ok {
		return dates.(map[string]string)
	}
	dates := map[string]string{}
	for _, holiday := range holidaysOf[country] {
		for year := firstHolidayYear; year <= lastHolidayYear; year++ {
			if actual, _ := holiday.Calc(year); !actual.IsZero() {
				dates[actual.Format(time.DateOnly)] = holiday.Name
			}
		}
	}
	if len(holidaysOf[country]) > 0 { // do not remember whatever somebody writes as a region
		holidayDates.Store(country, dates)
	}
	return dates
}
